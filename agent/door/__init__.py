"""The door: p11-kit's remote protocol on a socket of this user, so that every PKCS#11 program uses the agent's cards."""
