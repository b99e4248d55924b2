"""What is signed and what comes out, whatever the format."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from agent.signing.errors import DocumentRefusedError
from drivers.base import Digest

BYTES: Final = "application/octet-stream"
"""The media type of what nobody calls anything else."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document by its name, its size in bytes and the SHA-256 of its content.

    The content itself is at hand where the signature is to hold it or stands in it. `size` is None where the caller
    made the hash: then nobody here has seen the content. `media_type`: what the caller says it is (RFC 6838).
    `uri`: what a detached signature (XML, JAdES) names it by; its name where there is none.
    """

    name: str
    size: int | None
    sha256: bytes
    content: bytes | None = None
    media_type: str | None = None
    uri: str | None = None

    @classmethod
    def of(cls, name: str, content: bytes, media_type: str | None = None, uri: str | None = None) -> Document:
        """A document that is at hand as a whole."""
        return cls(name, len(content), hashlib.sha256(content).digest(), content, media_type, uri)

    @property
    def is_seen(self) -> bool:
        """Whether the agent made the hash itself."""
        return self.size is not None

    def read(self) -> bytes:
        """Give the content. Raises DocumentRefusedError when it is not at hand."""
        if self.content is None:
            raise DocumentRefusedError("this format needs the content of the document", self.name)
        return self.content


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
    media_type: str = BYTES
