"""What passes between the agent and the child that verifies: messages of `agent.signing.messages`, of two kinds."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from agent.certificates.chains import Authorities
from agent.certificates.revocation.verdict import NOT_CHECKED, Verdict
from agent.signing.messages import Message
from agent.signing.verification.findings import Reason
from agent.signing.words import Format, Level


class Status(StrEnum):
    """ETSI EN 319 102-1 §5.1.2: total-passed, total-failed and indeterminate, in the words of the API."""

    VALID = "valid"
    INVALID = "invalid"
    INDETERMINATE = "indeterminate"


class DocumentReason(StrEnum):
    """Why a document shows no signature."""

    NO_SIGNATURE = "no-signature"
    UNREADABLE = "unreadable"


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document; its content follows as a blob, and after it what it signs where that is a file of its own."""

    name: str
    has_detached: bool = False


class Trust(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By whom to judge. `authorities`: who may have issued signers; `stamping_der`: time-stamp authorities besides.

    `hosts`: who may be asked about revocation; `folder`: where answers are kept.
    """

    authorities: Authorities
    stamping_der: tuple[bytes, ...] = ()
    hosts: tuple[str, ...] = ()
    folder: str | None = None


class Verify(Message, frozen=True, kw_only=True):
    """Read these documents and judge their signatures."""

    documents: tuple[Head, ...]
    trust: Trust


class Judged(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One signature. `hint`: for a developer, in English. `trusted`: its certificate leads to somebody believed.

    `proven_at`: before when it was there, as an authority that is believed vouches; `authority_der`: that one.
    `is_test`: it leads to a root that only test cards have.
    """

    status: Status
    format: Format
    level: Level | None = None
    profile: str | None = None
    reason: Reason | None = None
    hint: str = ""
    certificate_der: bytes | None = None
    trusted: bool = False
    is_test: bool = False
    claimed_at: datetime | None = None
    proven_at: datetime | None = None
    authority_der: bytes | None = None
    revocation: Verdict = NOT_CHECKED
    names: tuple[str, ...] = ()


class DocumentJudged(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A document with its signatures, or why it has none."""

    name: str
    signatures: tuple[Judged, ...] = ()
    reason: DocumentReason | None = None
    hint: str = ""


class Verified(Message, frozen=True, kw_only=True):
    """The answer: one for each document, in their order."""

    documents: tuple[DocumentJudged, ...]
