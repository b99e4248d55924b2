"""Keys and certificates out of the files that people have: PKCS#12, PEM, DER, PKCS#7, one or several together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from asn1crypto.cms import ContentInfo

from drivers.card.certificate import Certificate, parse_certificate
from drivers.card.der import (
    TAG_BIT_STRING,
    TAG_INTEGER,
    TAG_OCTET_STRING,
    TAG_OID,
    TAG_SEQUENCE,
    Elements,
    read_whole,
)
from drivers.errors import CardUnknownError, PinWrongError
from drivers.pin import Passphrase
from drivers.software.certificates import read_key_certificate
from drivers.software.ciphers import Opener
from drivers.software.derivation import Budget
from drivers.software.entries import MAX_CHAIN
from drivers.software.errors import KeyFileError, KeyKindError, KeyMismatchError, PassphraseNeededError
from drivers.software.keyfile import WrongSecretError
from drivers.software.keys import PrivateKey
from drivers.software.passwords import Password
from drivers.software.pem import Block, looks_like_pem, read_blocks
from drivers.software.pkcs12 import DAMAGED, Contents, looks_like_pkcs12, read_pkcs12

MAX_CONTENT = 10 << 20  # bytes, of all the files together
MAX_KEYS, MAX_CERTIFICATES, MAX_FILES = 16, 64, 16


@dataclass(frozen=True, slots=True)
class Importable:
    """A key with the certificate that it belongs to, and that one's chain as far as the files go, issuer first."""

    key: PrivateKey
    certificate_der: bytes
    chain_der: tuple[bytes, ...]


class Imported:
    """What files hold; leave the `with` block and its keys are wiped. `unmatched`: keys without a certificate."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self.items, self.unmatched = _match(contents)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._contents.wipe()


def read_key_files(files: Sequence[bytes], passphrase: Passphrase | None, budget: Budget | None = None) -> Imported:
    """Read the files together; their one passphrase stays the caller's, and None stands for none or an empty one.

    `budget`: what they may cost together, ten million rounds by default. Raises PassphraseNeededError, PinWrongError,
    TooCostlyError, KeyMismatchError, KeyKindError, KeyFileError.
    """
    contents = _read_all(files, passphrase, budget or Budget())
    try:
        return Imported(contents)
    except BaseException:
        contents.wipe()
        raise


def read_certificates(content: bytes) -> tuple[bytes, ...]:
    """The certificates of a file as an authority delivers it: DER, PEM, PKCS#7, or PKCS#12 that needs no passphrase.

    Keys are passed over. Raises KeyFileError.
    """
    contents = _read_all([content], None, Budget())
    contents.wipe()
    if not contents.certificates:
        raise KeyFileError("there is no certificate in it")
    return tuple(contents.certificates)


def find_chain(certificate_der: bytes, others: Iterable[bytes]) -> tuple[bytes, ...]:
    """Those of the others that lead upwards by their names, issuer first; nothing is verified."""
    candidates = [parsed for der in others if (parsed := _parse(der)) is not None]
    chain: list[Certificate] = []
    here = parse_certificate(certificate_der)
    while len(chain) < MAX_CHAIN and not here.issuer.matches(here.subject):
        above = (each for each in candidates if each not in chain and each.subject.matches(here.issuer))
        found = next(above, None)
        if found is None:
            break
        chain.append(found)
        here = found
    return tuple(each.der for each in chain)


def _parse(der: bytes) -> Certificate | None:
    try:
        return parse_certificate(der)
    except CardUnknownError:
        return None


def _read_all(files: Sequence[bytes], passphrase: Passphrase | None, budget: Budget) -> Contents:
    if len(files) > MAX_FILES or sum(map(len, files)) > MAX_CONTENT:
        raise KeyFileError(f"more than {MAX_CONTENT >> 20} MB")
    found = Contents()
    try:
        with Password(passphrase) as password:
            opener = Opener(password, budget)
            for content in files:
                _read_file(content, opener, found)
        if len(found.keys) > MAX_KEYS or len(found.certificates) > MAX_CERTIFICATES:
            raise KeyFileError("more keys or certificates than a file has")  # noqa: TRY301 - what was read is wiped
    except WrongSecretError as error:
        found.wipe()
        raise (PassphraseNeededError() if passphrase is None else PinWrongError(tries_left=None)) from error
    except BaseException:
        found.wipe()
        raise
    return found


def _read_file(content: bytes, opener: Opener, found: Contents) -> None:
    if looks_like_pem(content):
        for block in read_blocks(content):
            _read_block(block, opener, found)
    elif looks_like_pkcs12(content):
        read = read_pkcs12(content, opener)
        found.keys += read.keys
        found.certificates += read.certificates
    else:
        _read_der(content, opener, found)


def _read_block(block: Block, opener: Opener, found: Contents) -> None:
    if block.label == "RSA PRIVATE KEY":
        pkcs1 = block.decrypt(opener.password) if block.is_encrypted else bytearray(block.content)
        found.keys.append(PrivateKey.of_pkcs1(pkcs1))
    elif block.label in READERS:
        READERS[block.label](block.content, opener, found)
    elif "PRIVATE KEY" in block.label:
        raise KeyKindError


def _read_pkcs8(content: bytes, _: Opener, found: Contents) -> None:
    found.keys.append(PrivateKey(bytearray(content)))


def _read_pkcs1(content: bytes, _: Opener, found: Contents) -> None:
    found.keys.append(PrivateKey.of_pkcs1(bytearray(content)))


def _read_encrypted(content: bytes, opener: Opener, found: Contents) -> None:
    """EncryptedPrivateKeyInfo (RFC 5958 §3)."""
    parts = _elements(content)
    try:
        algorithm, encrypted = parts.take(TAG_SEQUENCE), parts.take(TAG_OCTET_STRING)
    except CardUnknownError as error:
        raise KeyFileError("an encrypted key that is damaged") from error
    found.keys.append(PrivateKey(opener.decrypt(algorithm.der, encrypted.value)))


def _read_certificate(content: bytes, _: Opener, found: Contents) -> None:
    found.certificates.append(content)


def _read_pkcs7(content: bytes, _: Opener, found: Contents) -> None:
    """The certificates of a SignedData (RFC 5652 §5.1)."""
    try:
        info = ContentInfo.load(content)
        if info["content_type"].native != "signed_data":
            raise KeyFileError("a PKCS#7 file without certificates")
        choices = list(info["content"]["certificates"])
        found.certificates += [choice.chosen.dump() for choice in choices if choice.name == "certificate"]
    except DAMAGED as error:
        raise KeyFileError("a PKCS#7 file that is damaged") from error


Reader = Callable[[bytes, Opener, Contents], None]
READERS: dict[str, Reader] = {
    "PRIVATE KEY": _read_pkcs8,
    "ENCRYPTED PRIVATE KEY": _read_encrypted,
    "CERTIFICATE": _read_certificate,
    "X509 CERTIFICATE": _read_certificate,
    "PKCS7": _read_pkcs7,
    "CMS": _read_pkcs7,
}
SHAPES: dict[tuple[int, ...], Reader] = {
    (TAG_SEQUENCE, TAG_SEQUENCE, TAG_BIT_STRING): _read_certificate,
    (TAG_SEQUENCE, TAG_OCTET_STRING): _read_encrypted,
    (TAG_INTEGER, TAG_SEQUENCE, TAG_OCTET_STRING): _read_pkcs8,
    (TAG_INTEGER, TAG_INTEGER, TAG_INTEGER): _read_pkcs1,
}
"""What a SEQUENCE is by the tags of its first parts."""


def _read_der(content: bytes, opener: Opener, found: Contents) -> None:
    if content[:2] == b"\x30\x80":  # only PKCS#7 is written with lengths that are not said
        return _read_pkcs7(content, opener, found)
    parts = _elements(content)
    tags: list[int] = []
    try:
        while not parts.ended and len(tags) < 3:
            tags.append(parts.take_any().tag)
    except CardUnknownError as error:
        raise KeyFileError("a file that is damaged") from error
    if tags[:1] == [TAG_OID]:
        return _read_pkcs7(content, opener, found)
    reader = SHAPES.get(tuple(tags))
    if reader is None:
        raise KeyFileError("a file of no kind that is read here")
    return reader(content, opener, found)


def _elements(content: bytes) -> Elements:
    try:
        return Elements(read_whole(content, TAG_SEQUENCE, "a file").value, "a file")
    except CardUnknownError as error:
        raise KeyFileError("neither PKCS#12 nor PEM, nor a certificate or a key in DER") from error


def _match(contents: Contents) -> tuple[tuple[Importable, ...], int]:
    """Keys with their certificates, by the public key and nothing else. Raises KeyMismatchError if there is none."""
    if not contents.keys:
        raise KeyFileError("there is no private key in it")
    certificates = [(_public_key(der), der) for der in dict.fromkeys(contents.certificates)]
    items: list[Importable] = []
    unmatched = 0
    keys = {key.public_der(): key for key in contents.keys}  # one that stands there many times is one
    for public, key in keys.items():
        mine = [der for its_key, der in certificates if its_key == public]
        items += [Importable(key, der, find_chain(der, contents.certificates)) for der in mine]
        unmatched += not mine
    if not items:
        raise KeyMismatchError("the private key belongs to none of the certificates, or there is no certificate")
    return tuple(items), unmatched


def _public_key(certificate_der: bytes) -> bytes | None:
    """The public key of a certificate that a key may go with; None for authorities and what cannot be read."""
    try:
        return read_key_certificate(certificate_der).public_key_der
    except (KeyFileError, KeyKindError):
        return None
