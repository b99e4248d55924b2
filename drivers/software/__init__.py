"""Keys in files: read from PKCS#12 and PEM, kept encrypted, lent as tokens."""
