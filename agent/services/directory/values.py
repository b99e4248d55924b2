"""What the directory tells of a professional, as values that travel and that the cache keeps as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.certificates.holder import Coded


class MailboxKind(StrEnum):
    """Kinds of MSSanté mailboxes (TRE_R257-TypeBAL)."""

    PERSONAL = "PER"
    PRACTICE = "CAB"
    ORGANISATION = "ORG"
    APPLICATION = "APP"


@dataclass(frozen=True, slots=True)
class Name:
    """A name somebody practises under; `title`: DR, PR, or else M, MME."""

    family: str | None
    given: str | None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Structure:
    """Where somebody practises; `national_id`: IdNat_Struct, as on cards."""

    name: str | None
    national_id: str | None = None
    finess: str | None = None
    siret: str | None = None
    siren: str | None = None
    sector: Coded | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """One activity: `mode` says how (L, S, B), `role` as what."""

    structure: Structure | None
    mode: Coded | None = None
    role: Coded | None = None


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An MSSanté address; `structure`: the name of the one it belongs to. `kind` None: of a kind that is not told."""

    address: str
    kind: MailboxKind | None
    structure: str | None = None
    service: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Professional:
    """Everything the directory has under one RPPS number. `active` False: it has closed the entry."""

    rpps: str
    active: bool
    names: tuple[Name, ...] = ()
    professions: tuple[Coded, ...] = ()
    specialities: tuple[Coded, ...] = ()
    situations: tuple[Situation, ...] = ()
    mailboxes: tuple[Mailbox, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """An answer about a number: of whom, or None for nobody; told when; `stale`: asked again in vain since."""

    rpps: str
    professional: Professional | None
    as_of: datetime
    stale: bool = False
