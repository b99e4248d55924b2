"""Texts as PKCS#11 has them in its structures: UTF-8, of a fixed length, blanks at the end, no NUL (PKCS #11 §2.1)."""

from __future__ import annotations

from agent.access.text import clean_text


def padded(text: str, length: int) -> bytes:
    """Exactly `length` bytes; what is too long is cut between two characters, what cannot be seen is left out."""
    cut = clean_text(text, length).encode()[:length].decode(errors="ignore")
    return cut.encode().ljust(length)
