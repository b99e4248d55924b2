"""The digits of a code while they are typed: in one buffer that is never moved, and wiped."""

from __future__ import annotations


class CodeBuffer:
    """Up to `capacity` ASCII digits. What is taken out is overwritten at once."""

    def __init__(self, capacity: int) -> None:
        self._digits = bytearray(capacity)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether no digit fits any more."""
        return self._count == len(self._digits)

    def insert(self, at: int, digit: int) -> None:
        """Put a digit before the one at that place, by its ASCII code. Raises IndexError when it is full."""
        if self.full:
            raise IndexError("the code is complete")
        for place in range(self._count, at, -1):
            self._digits[place] = self._digits[place - 1]
        self._digits[at] = digit
        self._count += 1

    def remove(self, start: int, end: int) -> None:
        """Take out the digits from `start` up to `end`."""
        width = end - start
        for place in range(start, self._count):
            self._digits[place] = self._digits[place + width] if place + width < self._count else 0
        self._count -= width

    def wipe(self) -> None:
        """Overwrite all."""
        self._digits[:] = bytes(len(self._digits))
        self._count = 0

    def take(self) -> bytearray:
        """Give a copy, which the caller wipes, and wipe this one."""
        taken = bytearray(memoryview(self._digits)[: self._count])
        self.wipe()
        return taken

    def equals(self, other: CodeBuffer) -> bool:
        """Tell whether both hold the same digits; nothing is copied."""
        return self._count == other._count and all(
            self._digits[place] == other._digits[place] for place in range(self._count)
        )
