"""Certificates: what they say of their holder, which cards are test cards, and the cache of known cards."""
