"""RPPS numbers: eleven digits, the last of which is a key."""

from __future__ import annotations

from agent.certificates.identifiers import passes_luhn

LENGTH = 11


def is_rpps(text: str) -> bool:
    """Whether this is an RPPS number whose key is right."""
    return len(text) == LENGTH and text.isascii() and text.isdigit() and passes_luhn(text)
