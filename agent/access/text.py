"""Make a caller's text harmless before it is kept or shown: no control character, no invisible one, no endless one."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # Cf holds the marks that turn the writing direction


def clean_text(text: str, max_chars: int) -> str:
    """Drop what cannot be seen and cut what is too long, with a mark where it was cut."""
    head = text[: 4 * max_chars]  # a megabyte of control characters is not worth a look at each
    seen = "".join(char for char in head if unicodedata.category(char) not in _HIDDEN)
    return seen if len(seen) <= max_chars else seen[: max_chars - 1] + "…"
