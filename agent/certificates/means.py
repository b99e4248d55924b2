"""Means of identification (MIE) at a glance: who has which, in what state, and which one is missing.

Values in, a table out; nothing is looked up. What somebody has to do is named by the id of an errand
(agent/people/errands/errands.toml).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from agent.certificates.states import CertificateState, StateName

if TYPE_CHECKING:
    from agent.certificates.holder import Holder

GOOD: Final = frozenset({StateName.VALID, StateName.EXPIRING})
NOT_SEEN: Final = "not-seen-here"
PAIR: Final = ("AUTH_CLI", "SIGN")
"""The two software certificates of a structure that are of use together only: to authenticate, and to sign."""

STAFF_KINDS: Final = frozenset({"CPE", "CPA", "CDE", "CDA"})
E_CPS_ERRAND: Final = "e-cps-activate"
CARD_ERRANDS: Final[Mapping[str, str]] = {
    StateName.EXPIRING: "card-renewal",
    StateName.EXPIRED: "card-renewal",
    StateName.REVOKED: "card-revoked",
    NOT_SEEN: "card-order",
}
SOFTWARE_ERRANDS: Final[Mapping[str, str]] = {
    StateName.EXPIRING: "certificate-renewal",
    StateName.EXPIRED: "certificate-renewal",
    StateName.REVOKED: "certificate-order",
    NOT_SEEN: "certificate-order",
}
STAFF_ERRAND: Final = "employee-card"
STRUCTURE_ERRAND: Final = "staff-order"
ERRANDS: Final = frozenset(
    {*CARD_ERRANDS.values(), *SOFTWARE_ERRANDS.values(), STAFF_ERRAND, STRUCTURE_ERRAND, E_CPS_ERRAND}
)
"""Every errand that this table may name. Not yet valid has none: it is the clock of the workstation that is wrong."""


class Kind(StrEnum):
    """What identifies somebody."""

    CARD = "card"
    E_CPS = "e-cps"
    SOFTWARE = "software"


class Verdict(StrEnum):
    """Whether the means are enough: UNKNOWN where this workstation cannot tell."""

    ENOUGH = "enough"
    UNKNOWN = "unknown"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class CardRecord:
    """A card that is in a reader, or was seen here at `seen_at` (None: not known when)."""

    number: str
    holder: Holder
    state: CertificateState
    expires_at: datetime
    test: bool
    present: bool = False
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SoftwareRecord:
    """A software certificate kept here; `roles`: AUTH_CLI, SIGN, CONF, SSL_SERV, S/MIME."""

    number: str
    holder: Holder
    roles: frozenset[str]
    state: CertificateState
    expires_at: datetime
    test: bool


@dataclass(frozen=True, slots=True)
class ECpsRecord:
    """An e-CPS that was used on this workstation, and what was told of its holder then."""

    holder: Holder
    state: CertificateState
    used_at: datetime
    test: bool = False

    @property
    def number(self) -> str:
        """It has none."""
        return ""


@dataclass(frozen=True, slots=True)
class Means:
    """One means. `number`: of the card or of the software certificate; `holder`: as this very means names it.

    `seen_at`: when it was last here, None while it is; `errand`: what to do about its state.
    """

    kind: Kind
    state: StateName
    state_since: datetime | None = None
    state_reason: str | None = None
    expires_at: datetime | None = None
    number: str | None = None
    holder: Holder | None = None
    roles: tuple[str, ...] = ()
    present: bool = False
    seen_at: datetime | None = None
    errand: str | None = None


@dataclass(frozen=True, slots=True)
class Lack:
    """What is missing: `card`, `e-cps` or a role of a structure's pair; why, and the errand that gets it."""

    what: str
    reason: str
    errand: str | None


@dataclass(frozen=True, slots=True)
class Bearer:
    """A person, or a structure, with its means. Of `missing` a person needs any one, a structure every one.

    Test means never make up for missing production ones: a bearer of both is two.
    """

    id: str
    name: str
    is_person: bool
    test: bool
    rpps: str | None
    means: tuple[Means, ...]
    missing: tuple[Lack, ...]
    verdict: Verdict

    @property
    def is_present(self) -> bool:
        """Whether a card is in a reader now."""
        return any(means.present for means in self.means)


@dataclass(frozen=True, slots=True)
class Records:
    """Everything known on this workstation."""

    cards: Sequence[CardRecord] = ()
    software: Sequence[SoftwareRecord] = ()
    e_cps: Sequence[ECpsRecord] = ()


R = TypeVar("R", CardRecord, SoftwareRecord, ECpsRecord)


@dataclass(frozen=True, slots=True)
class _Key:
    id: str
    is_person: bool
    test: bool


def list_bearers(records: Records, now: datetime) -> tuple[Bearer, ...]:
    """Everybody known here with their means: those with a card in a reader first, then by name."""
    cards, software, e_cps = _group(records.cards), _group(records.software), _group(records.e_cps)
    bearers = (
        _make_bearer(key, Records(cards.get(key, ()), software.get(key, ()), e_cps.get(key, ())), now)
        for key in dict.fromkeys((*cards, *e_cps, *software))
    )
    return tuple(sorted(bearers, key=lambda bearer: (not bearer.is_present, bearer.name.casefold(), bearer.id)))


def _group(records: Iterable[R]) -> dict[_Key, list[R]]:
    groups: dict[_Key, list[R]] = {}
    for record in records:
        groups.setdefault(_key(record), []).append(record)
    return groups


def _key(record: CardRecord | SoftwareRecord | ECpsRecord) -> _Key:
    """A person by the national id; what names nobody by its structure. A card may hold neither."""
    holder = record.holder
    structure = None if _is_named(holder) else holder.structure
    if structure is not None:
        found = structure.id or structure.name
        return _Key(found or holder.national_id or record.number, is_person=False, test=record.test)
    is_person = _is_named(holder) or not isinstance(record, SoftwareRecord)
    return _Key(holder.national_id or record.number, is_person, record.test)


def _is_named(holder: Holder) -> bool:
    return bool(holder.family_name or holder.given_name)


def _make_bearer(key: _Key, records: Records, now: datetime) -> Bearer:
    cards = sorted(records.cards, key=lambda card: (card.present, card.expires_at), reverse=True)
    software = sorted(records.software, key=lambda one: one.expires_at, reverse=True)
    holder = _first_holder(cards, records.e_cps, software)
    rpps = holder.rpps if key.is_person else None
    means = (
        *(_card_means(card, key, now) for card in cards),
        *(_e_cps_means(records.e_cps) if rpps is not None else ()),
        *(_software_means(one, now) for one in software),
    )
    missing = tuple(_list_lacks(means, holder, key))
    return Bearer(
        key.id, _name(holder, key), key.is_person, key.test, rpps, means, missing, _judge(means, missing, key)
    )


def _first_holder(*records: Sequence[CardRecord | SoftwareRecord | ECpsRecord]) -> Holder:
    """Of who is named more than once the newest word: a card's first."""
    return next(one.holder for each in records for one in each)


def _name(holder: Holder, key: _Key) -> str:
    if key.is_person or holder.structure is None:
        return holder.display_name or key.id
    return holder.structure.display_name


def _card_means(card: CardRecord, key: _Key, now: datetime) -> Means:
    state = _state_now(card.state, card.expires_at, now)
    return Means(
        Kind.CARD,
        state,
        card.state.since,
        card.state.reason,
        card.expires_at,
        card.number,
        card.holder,
        present=card.present,
        seen_at=None if card.present else _past(card.seen_at, now),
        errand=_card_errand(state, card.holder, key),
    )


def _card_errand(state: str, holder: Holder, key: _Key) -> str | None:
    errand = CARD_ERRANDS.get(state)
    if errand is None or (key.is_person and holder.kind not in STAFF_KINDS):
        return errand
    return STAFF_ERRAND if key.is_person else STRUCTURE_ERRAND


def _software_means(one: SoftwareRecord, now: datetime) -> Means:
    state = _state_now(one.state, one.expires_at, now)
    return Means(
        Kind.SOFTWARE,
        state,
        one.state.since,
        one.state.reason,
        one.expires_at,
        one.number,
        one.holder,
        tuple(sorted(one.roles)),
        errand=SOFTWARE_ERRANDS.get(state),
    )


def _e_cps_means(found: Sequence[ECpsRecord]) -> Iterable[Means]:
    """One entry for whoever may have an e-CPS: it has an RPPS number for its name."""
    if not found:
        return (Means(Kind.E_CPS, StateName.UNKNOWN, state_reason="not-used-here"),)
    last = max(found, key=lambda one: one.used_at)
    state = last.state
    return (Means(Kind.E_CPS, state.name, state.since, state.reason, seen_at=last.used_at),)


def _state_now(state: CertificateState, expires_at: datetime, now: datetime) -> StateName:
    """What was learned before the clock moved on, or was set, is judged by the date again."""
    return StateName.EXPIRED if expires_at < now and state.name in (*GOOD, StateName.UNKNOWN) else state.name


def _past(seen_at: datetime | None, now: datetime) -> datetime | None:
    """A moment that is still to come tells of a wrong clock, and of nothing else."""
    return seen_at if seen_at is not None and seen_at <= now else None


def _list_lacks(means: Sequence[Means], holder: Holder, key: _Key) -> Iterable[Lack]:
    cards = [one for one in means if one.kind is Kind.CARD]
    if key.is_person:
        yield from _list_personal_lacks(means, cards, holder, key)
        return
    if cards and not _usable(cards):
        yield _card_lack(cards, holder, key)
    certificates = [one for one in means if one.kind is Kind.SOFTWARE and set(one.roles) & set(PAIR)]
    for role in PAIR if certificates else ():
        having = [one for one in certificates if role in one.roles]
        if not _usable(having):
            yield _make_lack(role, having, SOFTWARE_ERRANDS)


def _list_personal_lacks(means: Sequence[Means], cards: Sequence[Means], holder: Holder, key: _Key) -> Iterable[Lack]:
    """Any one compatible means is enough; an e-CPS that nobody used here neither counts nor is said to be missing."""
    electronic = [one for one in means if one.kind is Kind.E_CPS]
    if _usable(cards) or any(one.state in GOOD for one in electronic):
        return
    yield _card_lack(cards, holder, key)
    for one in electronic:
        yield Lack(Kind.E_CPS, one.state, E_CPS_ERRAND)


def _card_lack(cards: Sequence[Means], holder: Holder, key: _Key) -> Lack:
    lack = _make_lack(Kind.CARD, cards, CARD_ERRANDS)
    return Lack(lack.what, lack.reason, _card_errand(lack.reason, holder, key))


def _make_lack(what: str, having: Sequence[Means], errands: Mapping[str, str]) -> Lack:
    """The reason is that of the newest one."""
    reason = having[0].state if having else NOT_SEEN
    return Lack(what, reason, errands.get(reason))


def _usable(means: Iterable[Means]) -> bool:
    """Whether one is good, or cannot be told to be bad."""
    return any(one.state in GOOD or one.state == StateName.UNKNOWN for one in means)


def _judge(means: Sequence[Means], missing: Sequence[Lack], key: _Key) -> Verdict:
    if missing:
        can_tell = not key.is_person or all(lack.reason not in (StateName.UNKNOWN, NOT_SEEN) for lack in missing)
        return Verdict.MISSING if can_tell else Verdict.UNKNOWN
    if key.is_person:
        personal = [one for one in means if one.kind is not Kind.SOFTWARE]
        return Verdict.ENOUGH if any(one.state in GOOD for one in personal) else Verdict.UNKNOWN
    return _judge_structure(means)


def _judge_structure(means: Sequence[Means]) -> Verdict:
    """Every kind of means that it has is to be good: a card, and each role of the pair."""
    wanted = [[one for one in means if one.kind is Kind.CARD]]
    wanted += [[one for one in means if role in one.roles] for role in PAIR]
    return Verdict.ENOUGH if all(any(one.state in GOOD for one in each) for each in wanted if each) else Verdict.UNKNOWN
