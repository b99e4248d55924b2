"""Signatures of documents with the card's signature key: one file per format."""
