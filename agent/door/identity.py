"""Which process it was: what must not change while a program is called by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Identity:
    """The process, when it was started (clock ticks since the machine was), and the path of its executable."""

    pid: int
    started: int
    executable: str


NOBODY: Final = Identity(0, 0, "")
"""A program that had ended, or could not be looked at, when it was asked for."""
