"""The numbers of an RSA key in PKCS#8 (RFC 5208 §5, RFC 8017 §A.1.2), looked at where they stand before they are used.

Nothing is copied, and nothing computed: the sizes alone keep a hostile file from costing hours.
"""

from __future__ import annotations

from drivers.card.der import TAG_INTEGER, TAG_OCTET_STRING, TAG_SEQUENCE
from drivers.card.tlv import read_header
from drivers.errors import CardUnknownError
from drivers.software.errors import KeyFileError, KeyKindError

MIN_BITS, MAX_BITS = 2048, 8192
MAX_EXPONENT_BITS = 64
NUMBERS = 9  # version, n, e, d, p, q, d mod (p-1), d mod (q-1), q^-1 mod p
RSA_OID = bytes.fromhex("06092a864886f70d010101")


def require_sane(pkcs8: bytearray) -> None:
    """Raise KeyKindError for what is no RSA key of a size in use, KeyFileError for numbers that none has."""
    with memoryview(pkcs8) as view:
        try:
            numbers = _read_numbers(view)
        except CardUnknownError as error:
            raise KeyFileError("what should be a private key is none, or a damaged one") from error
        _require_sizes(numbers)


def _read_numbers(view: memoryview) -> list[memoryview]:
    whole, _ = _take(view, TAG_SEQUENCE)
    _, rest = _take(whole, TAG_INTEGER)
    algorithm, rest = _take(rest, TAG_SEQUENCE)
    if bytes(algorithm[: len(RSA_OID)]) != RSA_OID:
        raise KeyKindError
    key, _ = _take(_take(rest, TAG_OCTET_STRING)[0], TAG_SEQUENCE)
    numbers: list[memoryview] = []
    while key and len(numbers) < NUMBERS:
        number, key = _take(key, TAG_INTEGER)
        numbers.append(number)
    if len(numbers) < NUMBERS or key:
        raise KeyKindError  # of more primes than two
    return numbers


def _take(view: memoryview, tag: int) -> tuple[memoryview, memoryview]:
    """The content of the first element, which must have this tag, and what follows it."""
    found, header, length = read_header(view)
    if found != tag or header + length > len(view):
        raise CardUnknownError("not the structure of a private key")
    return view[header : header + length], view[header + length :]


def _require_sizes(numbers: list[memoryview]) -> None:
    """Moduli are odd, every number is positive, and none is longer than what it is reduced by."""
    _, modulus, exponent, private, first, second, *reduced = numbers
    size = _bits(modulus)
    if not MIN_BITS <= size <= MAX_BITS:
        raise KeyKindError
    fits = _bits(exponent) <= MAX_EXPONENT_BITS and _bits(private) <= size
    fits = fits and all(size // 4 <= _bits(factor) < size for factor in (first, second))
    fits = fits and all(_bits(number) < size for number in reduced)
    if not fits or not all(number[-1] & 1 for number in (modulus, exponent, first, second)):
        raise KeyFileError("a private key with numbers that none has")


def _bits(number: memoryview) -> int:
    """How long a number is. Raises KeyFileError for none, or one that is not positive."""
    if not number or number[0] & 0x80 or not any(number):
        raise KeyFileError("a private key with a number that is not positive")
    digits = number[1:] if number[0] == 0 else number
    return 8 * (len(digits) - 1) + digits[0].bit_length()
