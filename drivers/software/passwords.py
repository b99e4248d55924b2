"""A passphrase in the forms that key files take it in, each a buffer that is wiped at the end."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from drivers.errors import PinFormatError
from drivers.pin import Passphrase


def wipe(buffer: bytearray) -> None:
    """Overwrite with zeroes."""
    buffer[:] = bytes(len(buffer))


class Password:
    """The passphrase of a file; with None the empty one. Leave the `with` block and every form is zeroes."""

    __slots__ = ("_bmp", "utf8")

    def __init__(self, passphrase: Passphrase | None) -> None:
        self.utf8 = bytearray()
        if passphrase is not None:
            passphrase.append_to(self.utf8)
        self._bmp: list[bytearray] = []

    @classmethod
    def of_bytes(cls, secret: bytearray) -> Self:
        """Take over what is no passphrase of a person's."""
        password = cls(None)
        password.utf8 = secret
        return password

    @property
    def is_empty(self) -> bool:
        """Whether it is the empty one."""
        return not self.utf8

    def bmp_forms(self) -> list[bytearray]:
        """What PKCS#12's own derivation takes (RFC 7292 §B.1), most probable first.

        UTF-16 with its terminator; for the empty one also none at all, which some programs write; for others than
        ASCII also each UTF-8 byte by itself, as OpenSSL did before 1.1.
        """
        if not self._bmp:
            self._bmp = [_utf16(self.utf8)]
            if self.is_empty:
                self._bmp.append(bytearray())
            elif not self.utf8.isascii():
                self._bmp.append(_widened(self.utf8))
        return self._bmp

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for buffer in (self.utf8, *self._bmp):
            wipe(buffer)

    def __repr__(self) -> str:
        return "Password(hidden)"


def _utf16(utf8: bytearray) -> bytearray:
    """Big-endian, in a buffer of its own and of the right size: `decode`, or growing, would leave copies behind."""
    out, at = bytearray(sum(4 if point > 0xFFFF else 2 for point in _code_points(utf8)) + 2), 0
    for point in _code_points(utf8):
        high, low = divmod(point - 0x10000, 0x400)
        for unit in (0xD800 + high, 0xDC00 + low) if high >= 0 else (point,):
            out[at : at + 2] = unit.to_bytes(2)
            at += 2
    return out


def _code_points(utf8: bytearray) -> Iterator[int]:
    """Unicode, table 3-6, of well-formed bytes. Raises PinFormatError if they were wiped meanwhile."""
    at = 0
    while at < len(utf8):
        first = utf8[at]
        if not first:
            raise PinFormatError("this code was already wiped")
        length = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
        point = first if length == 1 else first & (0x7F >> length)
        for byte in utf8[at + 1 : at + length]:
            point = point << 6 | byte & 0x3F
        yield point
        at += length


def _widened(utf8: bytearray) -> bytearray:
    out = bytearray(2 * len(utf8) + 2)
    out[1:-2:2] = utf8
    return out
