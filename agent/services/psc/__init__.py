"""Pro Santé Connect: logins in the system browser and with the e-CPS, their tokens, and who may have them."""
