"""The seam that every format fills: what the key is to sign, and the signature once it has.

A format is a module with `TERMS`, the msgspec type of its options, and `prepare`. It runs in the worker process:
blocking work and memory are its own, and nothing of it reaches the daemon but hashes and finished bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from agent.signing.documents import Document
from agent.signing.errors import TermsRefusedError, TimeStampUnsetError
from agent.signing.words import Format, Level, Packaging, Scheme, Serialization


class Signer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose key signs: its certificate, the issuers' up to the root (none where no root is known), and how it signs.

    `name` and `profession` are those of the holder, as a person reads them.
    """

    certificate_der: bytes
    chain_der: tuple[bytes, ...] = ()
    scheme: Scheme = Scheme.RS256
    name: str = ""
    profession: str | None = None


class Outside(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the worker may ask, for time-stamps and for evidence; nobody else is ever asked.

    `timestamp_url` None: no authority is set. `timestamp_authorities_der`: who may vouch for its certificate.
    `hosts`: as Fetcher takes them. `folder`: where answers about revocation are kept between two signatures.
    """

    timestamp_url: str | None = None
    timestamp_authorities_der: tuple[bytes, ...] = ()
    hosts: tuple[str, ...] = ()
    folder: str | None = None


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A signature policy: its identifier (an OID, or a URI), the SHA-256 of its text, and where that stands."""

    identifier: str
    sha256: bytes
    uri: str | None = None


class Appearance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Where a PDF shows the signature: page from 1 (-1: the last), lower left corner and size in points."""

    page: int = -1
    x: float = 36.0
    y: float = 36.0
    width: float = 220.0
    height: float = 70.0


class SignatureTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How documents are to be signed. What a format has no use for is refused by it: TermsRefusedError.

    `serialization`: JWS, JAdES. `claimed_role`, `policy`: CAdES, XAdES, JAdES. `reason`, `location`, `field`,
    `appearance`: PDF.
    """

    format: Format
    level: Level
    packaging: Packaging
    serialization: Serialization | None = None
    policy: Policy | None = None
    claimed_role: str | None = None
    reason: str | None = None
    location: str | None = None
    field: str | None = None
    appearance: Appearance | None = None


def require_time_stamps(level: Level, outside: Outside) -> None:
    """Raise TimeStampUnsetError for a level that needs an authority while none is set."""
    if level is not Level.B and outside.timestamp_url is None:
        raise TimeStampUnsetError


def refuse_options(terms: SignatureTerms, *names: str) -> None:
    """Raise TermsRefusedError when one of these members, of no use to the format, is given."""
    given = [name for name in names if getattr(terms, name) is not None]
    if given:
        raise TermsRefusedError(f"format {terms.format} takes no {', '.join(given)}")


def refuse_uris(documents: Sequence[Document], terms: SignatureTerms) -> None:
    """Raise TermsRefusedError for a document with a `uri`, where the signature names none."""
    for document in documents:
        if document.uri is not None:
            raise TermsRefusedError(f"{terms.packaging} {terms.format} takes no uri", document.name)


class Unsigned(ABC):
    """One signature without the value that the key adds. `name`: of the document, or of the file that holds several.

    `hash_name`: what `to_sign` is hashed with, named as hashlib does; other than sha256 only where a profile says so.
    """

    name: str
    media_type: str
    hash_name: str = "sha256"

    @property
    @abstractmethod
    def to_sign(self) -> bytes:
        """The bytes whose hash the key signs: signed attributes, canonical SignedInfo, a JWS signing input."""

    @abstractmethod
    def complete(self, value: bytes) -> bytes:
        """Put the key's value in, then what the level adds. Raises the SigningError of what it lacks."""


class Kind(Protocol):
    """A module that prepares one kind of signature."""

    TERMS: Any

    @staticmethod
    def check(documents: Sequence[Document], terms: Any, outside: Outside) -> None:
        """Refuse, before a person is asked for a code, whatever can be refused without knowing who signs.

        Raises DocumentRefusedError, TermsRefusedError, TimeStampUnsetError.
        """

    @staticmethod
    def prepare(documents: Sequence[Document], terms: Any, signer: Signer, outside: Outside) -> Iterable[Unsigned]:
        """One for each document, in their order; a single one where the format joins them.

        Raises DocumentRefusedError, TermsRefusedError.
        """
