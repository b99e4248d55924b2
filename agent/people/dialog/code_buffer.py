"""The characters of a code while they are typed: in one buffer that is never moved, and wiped."""

from __future__ import annotations

from array import array


class CodeBuffer:
    """Up to `capacity` characters, as code points. What is taken out is overwritten at once."""

    def __init__(self, capacity: int) -> None:
        self._characters = array("I", bytes(capacity * array("I").itemsize))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether no character fits any more."""
        return self._count == len(self._characters)

    def insert(self, at: int, character: int) -> None:
        """Put a character before the one at that place, by its code point. Raises IndexError when it is full."""
        if self.full:
            raise IndexError("the code is complete")
        for place in range(self._count, at, -1):
            self._characters[place] = self._characters[place - 1]
        self._characters[at] = character
        self._count += 1

    def remove(self, start: int, end: int) -> None:
        """Take out the characters from `start` up to `end`."""
        width = end - start
        for place in range(start, self._count):
            self._characters[place] = self._characters[place + width] if place + width < self._count else 0
        self._count -= width

    def wipe(self) -> None:
        """Overwrite all."""
        for place in range(len(self._characters)):
            self._characters[place] = 0
        self._count = 0

    def take(self) -> bytearray:
        """Give a copy in UTF-8, which the caller wipes, and wipe this one."""
        characters = memoryview(self._characters)[: self._count]
        taken = bytearray(sum(map(_count_bytes, characters)))  # at once: growing leaves copies behind
        end = 0
        for character in characters:
            encoded = chr(character).encode()
            taken[end : end + len(encoded)] = encoded
            end += len(encoded)
        self.wipe()
        return taken

    def equals(self, other: CodeBuffer) -> bool:
        """Tell whether both hold the same characters; nothing is copied."""
        return self._count == other._count and all(
            self._characters[place] == other._characters[place] for place in range(self._count)
        )


def _count_bytes(character: int) -> int:
    """How many bytes a code point takes in UTF-8 (RFC 3629 §3)."""
    return 1 + (character > 0x7F) + (character > 0x7FF) + (character > 0xFFFF)
