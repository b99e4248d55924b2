"""RPPS numbers: eleven digits, the last of which is a key."""

from __future__ import annotations

LENGTH = 11


def is_rpps(text: str) -> bool:
    """Whether this is an RPPS number whose key is right."""
    from agent.certificates.identifiers import passes_luhn  # noqa: PLC0415 - at the first look-up

    return len(text) == LENGTH and text.isascii() and text.isdigit() and passes_luhn(text)
