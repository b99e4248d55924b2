"""What is signed and what comes out, whatever the format."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.base import Digest


@dataclass(frozen=True, slots=True)
class Document:
    """A document by its name, with its content."""

    name: str
    content: bytes


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
