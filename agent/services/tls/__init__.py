"""TLS with the key of a card or of a software certificate."""
