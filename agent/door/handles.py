"""Handles: numbers that name a session or an object to one program."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator


def new_handles() -> Iterator[int]:
    """Handles one after the other, from elsewhere in each run: one of before a restart reaches nothing.

    They begin below 2^30, so that a CK_ULONG of 32 bits holds them.
    """
    return itertools.count(1 + secrets.randbelow(1 << 30))
