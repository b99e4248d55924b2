"""What is signed and what comes out, whatever the format."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from drivers.base import Digest


@dataclass(frozen=True, slots=True)
class Document:
    """A document by its name, its size in bytes and the SHA-256 of its content.

    The content itself is at hand where the signature is to hold it.
    """

    name: str
    size: int
    sha256: bytes
    content: bytes | None = None

    @classmethod
    def of(cls, name: str, content: bytes) -> Document:
        """A document that is at hand as a whole."""
        return cls(name, len(content), hashlib.sha256(content).digest(), content)


@dataclass(frozen=True, slots=True)
class NamedDigest:
    """A hash that a program made, with the name it gives to what it hashed."""

    name: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Signature:
    """A finished signature and the certificate (DER) whose key made it."""

    name: str
    content: bytes
    certificate_der: bytes
