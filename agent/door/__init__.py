"""The door: p11-kit's remote protocol on a socket of this user, for every PKCS#11 program to use the agent's cards."""
