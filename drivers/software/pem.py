"""PEM (RFC 7468) and the encryption of before PKCS#8 (RFC 1421 §4.6.1); lines between the blocks are anybody's."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drivers.software.ciphers import PBES2_CIPHERS, TRIPLE_DES, BlockCipher, decipher_sequence
from drivers.software.derivation import derive_openssl
from drivers.software.errors import KeyFileError
from drivers.software.passwords import Password

BEGIN, END, DASHES = b"-----BEGIN ", b"-----END ", b"-----"
MAX_BLOCKS = 256
_AES = PBES2_CIPHERS["2.16.840.1.101.3.4.1.42"].decipher
DEK_CIPHERS = {
    "AES-128-CBC": BlockCipher(_AES, 16, 16),
    "AES-192-CBC": BlockCipher(_AES, 24, 16),
    "AES-256-CBC": BlockCipher(_AES, 32, 16),
    "DES-EDE3-CBC": BlockCipher(TRIPLE_DES, 24, 8),
}


@dataclass(frozen=True, slots=True)
class Block:
    """One block: what stands after BEGIN, its headers, and its content."""

    label: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_encrypted(self) -> bool:
        """Whether its headers say that a password encrypts it."""
        return "DEK-Info" in self.headers

    def decrypt(self, password: Password) -> bytearray:
        """The content of an encrypted block. Raises WrongSecretError, KeyFileError."""
        name, _, iv_hex = self.headers["DEK-Info"].partition(",")
        cipher = DEK_CIPHERS.get(name.strip())
        try:
            iv = bytes.fromhex(iv_hex)
        except ValueError as error:
            raise KeyFileError("a PEM file with headers that are damaged") from error
        if cipher is None or len(iv) != cipher.block:
            raise KeyFileError(f"a PEM encryption that is not read here: {name[:40]}")
        key = derive_openssl(iv[:8], password.utf8, cipher.key_length)
        return decipher_sequence(cipher, key, iv, self.content)


def looks_like_pem(content: bytes) -> bool:
    """Whether there is a block in it."""
    return BEGIN in content


def read_blocks(content: bytes) -> Iterator[Block]:
    """Yield the blocks in their order, in one pass over the lines. Raises KeyFileError."""
    label, count = b"", 0
    lines: list[bytes] = []
    for line in map(bytes.strip, content.splitlines()):
        if not label and line.startswith(BEGIN) and line.endswith(DASHES):
            label, lines = line[len(BEGIN) : -len(DASHES)], []
            count += 1
            if count > MAX_BLOCKS:
                raise KeyFileError(f"a file of more than {MAX_BLOCKS} parts")
        elif label and line == END + label + DASHES:
            yield _block(label, lines)
            label = b""
        elif label:
            lines.append(line)
    if label:
        raise KeyFileError("a PEM file that is cut short")


def _block(label: bytes, lines: list[bytes]) -> Block:
    headers, start = {}, 0
    if any(b":" in line for line in lines[:1]):
        start = lines.index(b"") + 1 if b"" in lines else len(lines)
        pairs = (line.decode("ascii", "replace").partition(":") for line in lines[:start] if b":" in line)
        headers = {name.strip(): value.strip() for name, _, value in pairs}
    try:
        content = base64.b64decode(b"".join(lines[start:]), validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyFileError("a PEM file that is damaged") from error
    return Block(label.decode("ascii", "replace"), headers, content)
