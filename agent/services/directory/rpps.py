"""RPPS numbers: eleven digits, the last of which is a key."""

from __future__ import annotations

LENGTH = 11


def is_rpps(text: str) -> bool:
    """Whether this is an RPPS number whose key is right (Luhn, ISO/IEC 7812-1 annex B)."""
    return len(text) == LENGTH and text.isascii() and text.isdigit() and _luhn(text) % 10 == 0


def _luhn(digits: str) -> int:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled)
