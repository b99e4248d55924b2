"""What unlocks a token: a PIN or PUK, a passphrase, or what is typed on the reader alone.

A secret is shown by nothing, copied by nothing, and wiped after its use.
"""

from __future__ import annotations

import re
from types import TracebackType
from typing import NoReturn, Self

from drivers.errors import PinFormatError

SHORTEST, LONGEST = 4, 8
LONGEST_PASSPHRASE = 128  # characters

_PASSPHRASE = re.compile(
    rb"(?:[\x01-\x7F]|[\xC2-\xDF][\x80-\xBF]|\xE0[\xA0-\xBF][\x80-\xBF]|[\xE1-\xEC\xEE\xEF][\x80-\xBF]{2}"
    rb"|\xED[\x80-\x9F][\x80-\xBF]|\xF0[\x90-\xBF][\x80-\xBF]{2}|[\xF1-\xF3][\x80-\xBF]{3}|\xF4[\x80-\x8F][\x80-\xBF]{2})"
    rb"{1,%d}" % LONGEST_PASSPHRASE
)
"""Well-formed UTF-8 (Unicode, table 3-7) without NUL: looked at in place, for a decoded copy could not be wiped."""


class Secret:
    """Own the bytes of a code in one bytearray; leave the `with` block and they are zeroes.

    The bytearray given is taken over, not copied.
    """

    __slots__ = ("_digits",)

    def __init__(self, digits: bytearray) -> None:
        self._digits = digits

    def append_to(self, command: bytearray) -> None:
        """Add the bytes to a command; the caller wipes the command after its use. Raises PinFormatError when wiped.

        Copied first and looked at afterwards: another thread may wipe them at any time, and zeroes would cost a try.
        """
        start = len(command)
        command += self._digits
        if not any(memoryview(command)[start:]):
            del command[start:]
            raise PinFormatError("this code was already wiped")

    def hand_over(self) -> Self:
        """Give the bytes to a new owner; this one has none from now on, and its wipe() wipes nothing."""
        heir = object.__new__(type(self))
        heir._digits, self._digits = self._digits, bytearray()
        return heir

    def wipe(self) -> None:
        """Overwrite the bytes with zeroes."""
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
        return f"{type(self).__name__}(hidden)"

    def __copy__(self) -> NoReturn:
        raise TypeError("a code is not copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("a code is not copied")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a code is not pickled")


class Pin(Secret):
    """The digits of a PIN or PUK, in ASCII.

    Raises PinFormatError (nothing is sent to a card) unless there are `min_length` to `max_length` of them.
    """

    __slots__ = ()

    def __init__(self, digits: bytearray, *, min_length: int = SHORTEST, max_length: int = LONGEST) -> None:
        if not min_length <= len(digits) <= max_length or not digits.isdigit():
            digits[:] = bytes(len(digits))
            raise PinFormatError(f"a code is {min_length} to {max_length} digits")
        super().__init__(digits)


class Passphrase(Secret):
    """What protects a software key: 1 to 128 characters of any script, as UTF-8; its length is that of the bytes.

    Raises PinFormatError for anything else. Nothing is normalised (Unicode TR 15): it is kept as it was typed.
    """

    __slots__ = ()

    def __init__(self, text: bytearray) -> None:
        if not _PASSPHRASE.fullmatch(text):
            text[:] = bytes(len(text))
            raise PinFormatError(f"a passphrase is 1 to {LONGEST_PASSPHRASE} characters")
        super().__init__(text)


class PadEntry:
    """Stand for a code that is typed on the keys of the reader (PC/SC part 10): this computer never has it."""

    __slots__ = ()

    def wipe(self) -> None:
        """There is nothing to wipe."""

    def __repr__(self) -> str:
        return "PadEntry()"


ON_PAD = PadEntry()

Typed = Pin | Passphrase
"""What a person types here."""

Code = Typed | PadEntry
"""What unlocks a token: digits to send, the words before a software key, or the person's own hands on the reader."""
