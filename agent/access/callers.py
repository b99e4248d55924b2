"""Who calls the agent, and the abilities that a caller can be granted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from agent.access.errors import AbilityRefusedError


class CallerKind(StrEnum):
    """A page speaks with its Origin, a program with the local token."""

    PAGE = "page"
    PROGRAM = "program"


class Ability(StrEnum):
    """What can be granted, in the words of the API; use-… and read-private-data when PKCS#11 is used, and not there."""

    IDENTITY = "identity"
    AUTHENTICATE = "authenticate"
    SIGN = "sign"
    SIGN_RAW = "sign-raw"
    BATCH = "batch"
    GATEWAY = "gateway"
    EVENTS = "events"
    USE_AUTHENTICATION_KEY = "use-authentication-key"
    USE_SIGNATURE_KEY = "use-signature-key"
    READ_PRIVATE_DATA = "read-private-data"


IMPLICIT_PROGRAM_ABILITIES = frozenset({Ability.IDENTITY, Ability.EVENTS})
CARD_ABILITIES = frozenset({Ability.USE_AUTHENTICATION_KEY, Ability.USE_SIGNATURE_KEY, Ability.READ_PRIVATE_DATA})
"""What a program may do by PKCS#11 with one card, whose number the consent names; never asked for through the API."""
PAGE_ABILITIES = frozenset(Ability) - {Ability.SIGN_RAW, Ability.GATEWAY} - CARD_ABILITIES
PROGRAM_ABILITIES = frozenset(Ability)


@dataclass(frozen=True, slots=True)
class Caller:
    """`name`: the origin, or the executable's path ("" when the system would not tell); `through`: a page's browser."""

    kind: CallerKind
    name: str
    through: str | None = None

    @property
    def key(self) -> tuple[CallerKind, str]:
        """What a grant is given to: the same page in two browsers is one caller."""
        return self.kind, self.name

    @property
    def lasting(self) -> bool:
        """Whether its grants may outlive the daemon: not those of a plain http page, which any program could serve."""
        return self.kind is CallerKind.PROGRAM or self.name.startswith("https://")


@dataclass(frozen=True, slots=True)
class CardAbility:
    """One of CARD_ABILITIES, with the card that it concerns."""

    ability: Ability
    card_number: str


@dataclass(frozen=True, slots=True)
class AbilityPolicy:
    """What the machine's administrator decides. `gateway_origins`: pages that can be granted what programs can."""

    gateway_origins: frozenset[str] = frozenset()

    def possible(self, caller: Caller) -> frozenset[Ability]:
        """List what this caller can be granted at all."""
        if caller.kind is CallerKind.PROGRAM:
            return PROGRAM_ABILITIES
        return PAGE_ABILITIES | {Ability.GATEWAY} if caller.name in self.gateway_origins else PAGE_ABILITIES


def conceivable_abilities(kind: CallerKind) -> frozenset[Ability]:
    """List what this kind of caller can be granted under some policy."""
    return PAGE_ABILITIES | {Ability.GATEWAY} if kind is CallerKind.PAGE else PROGRAM_ABILITIES


def require_possible(caller: Caller, abilities: Iterable[Ability], policy: AbilityPolicy | None = None) -> None:
    """Refuse what no consent gives: raw signatures and the gateway to a page, anything to a program without a name."""
    impossible = sorted(frozenset(abilities) - (policy or AbilityPolicy()).possible(caller))
    if impossible:
        raise AbilityRefusedError(f"a {caller.kind} can never have: {', '.join(impossible)}")
    if not caller.name:
        raise AbilityRefusedError("the system does not tell which program this is, so nothing can be granted to it")
