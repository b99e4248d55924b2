"""Numbers and bytes taken one after the other from a message: big-endian, and never past its end."""

from __future__ import annotations

from struct import Struct, unpack_from

Octets = bytes | bytearray

U32, U64 = Struct(">I"), Struct(">Q")
NO_BYTES = 0xFFFFFFFF
"""The length that stands for NULL."""

MAX_ATTRIBUTES = 256
"""In one message, those of inner templates too: NSS asks for some thirty at once, a key generation for forty."""
MAX_NUMBERS = 4096
"""In one list: far more mechanisms than PKCS #11 has (about 400)."""


class WireError(Exception):
    """These bytes are no message of the protocol, or a larger one than is taken."""


class Cursor:
    """Where the reading of a message stands. Everything raises WireError when the message is cut short."""

    __slots__ = ("_attributes", "_data", "_end", "at")

    def __init__(self, data: Octets, at: int = 0) -> None:
        self._data = data
        self._end = len(data)
        self._attributes = MAX_ATTRIBUTES
        self.at = at

    @property
    def left(self) -> int:
        """How many bytes have not been taken."""
        return self._end - self.at

    def again(self, at: int) -> Cursor:
        """Another reading of the same message, from `at`."""
        return Cursor(self._data, at)

    def _pass(self, count: int) -> int:
        at = self.at
        if count > self._end - at:
            raise WireError("a message is cut short")
        self.at = at + count
        return at

    def byte(self) -> int:
        """One byte, as a number."""
        return self._data[self._pass(1)]

    def flag(self) -> bool:
        """One byte that is 0 or 1."""
        value = self.byte()
        if value > 1:
            raise WireError("a flag that is neither 0 nor 1")
        return bool(value)

    def u32(self) -> int:
        """Four bytes."""
        return int(U32.unpack_from(self._data, self._pass(4))[0])

    def u64(self) -> int:
        """Eight bytes: a CK_ULONG."""
        return int(U64.unpack_from(self._data, self._pass(8))[0])

    def numbers(self, count: int) -> tuple[int, ...]:
        """`count` times eight bytes."""
        if count > MAX_NUMBERS:
            raise WireError("too many numbers in a list")
        return unpack_from(f">{count}Q", self._data, self._pass(8 * count))

    def octets(self, count: int) -> bytes:
        """The next `count` bytes."""
        at = self._pass(count)
        return bytes(self._data[at : at + count])

    def array(self) -> bytes | None:
        """Bytes after their length; None for NULL."""
        count = self.u32()
        return None if count == NO_BYTES else self.octets(count)

    def skip_array(self) -> bool:
        """Pass over what `array` would copy; whether there was any, be it empty."""
        count = self.u32()
        if count != NO_BYTES:
            self._pass(count)
        return count != NO_BYTES

    def attribute_count(self) -> int:
        """The number of attributes that begin here, within those that one message may have."""
        count = self.u32()
        self._attributes -= count
        if self._attributes < 0:
            raise WireError("too many attributes")
        return count
