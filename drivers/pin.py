"""A PIN or PUK: shown by nothing, copied by nothing, wiped after its use; or one that is typed on the reader alone."""

from __future__ import annotations

from types import TracebackType
from typing import NoReturn, Self

from drivers.errors import PinFormatError

SHORTEST, LONGEST = 4, 8


class Pin:
    """Own the digits of a code in one bytearray; leave the `with` block and they are zeroes.

    The bytearray given is taken over, not copied. Raises PinFormatError (nothing is sent to a card)
    unless it holds `min_length` to `max_length` ASCII digits.
    """

    __slots__ = ("_digits",)

    def __init__(self, digits: bytearray, *, min_length: int = SHORTEST, max_length: int = LONGEST) -> None:
        if not min_length <= len(digits) <= max_length or not digits.isdigit():
            digits[:] = bytes(len(digits))
            raise PinFormatError(f"a code is {min_length} to {max_length} digits")
        self._digits = digits

    def append_to(self, apdu: bytearray) -> None:
        """Add the digits to a command; the caller wipes the command after its use.

        Copied first and looked at afterwards: another thread may wipe them at any time, and zeroes would cost a try.
        """
        start = len(apdu)
        apdu += self._digits
        if not any(memoryview(apdu)[start:]):
            del apdu[start:]
            raise PinFormatError("this code was already wiped")

    def hand_over(self) -> Pin:
        """Give the digits to a new owner; this one has none from now on, and its wipe() wipes nothing."""
        heir = object.__new__(Pin)
        heir._digits, self._digits = self._digits, bytearray()
        return heir

    def wipe(self) -> None:
        """Overwrite the digits with zeroes."""
        self._digits[:] = bytes(len(self._digits))

    def __len__(self) -> int:
        return len(self._digits)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return "Pin(hidden)"

    def __copy__(self) -> NoReturn:
        raise TypeError("a PIN is not copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("a PIN is not copied")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a PIN is not pickled")


class PadEntry:
    """Stand for a code that is typed on the keys of the reader (PC/SC part 10): this computer never has it."""

    __slots__ = ()

    def wipe(self) -> None:
        """There is nothing to wipe."""

    def __repr__(self) -> str:
        return "PadEntry()"


ON_PAD = PadEntry()

Code = Pin | PadEntry
"""What unlocks a token: digits to send, or the person's own hands on the reader."""
