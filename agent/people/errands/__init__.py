"""What a holder does with the ANS around the card, and whom to turn to: data, and the look-up by profession."""
