"""What the person has granted to each page and program: in memory for the gate, written through to the database."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from agent.access import granttable
from agent.access.callers import (
    CARD_ABILITIES,
    IMPLICIT_PROGRAM_ABILITIES,
    Ability,
    AbilityPolicy,
    Caller,
    CallerKind,
    CardAbility,
    require_possible,
)
from agent.access.clock import Clock, utc_now
from agent.access.database import Database
from agent.access.errors import AbilityRefusedError, GrantNotFoundError, GrantRequiredError
from agent.access.granttable import Grant

DEFAULT_LIFETIME = timedelta(days=90)
ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """How long a consent holds; `ephemeral`: until the daemon stops, at most."""

    lifetime: timedelta = DEFAULT_LIFETIME
    ephemeral: bool = False


class GrantEvent(StrEnum):
    """What happened to a grant."""

    GIVEN = "given"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class GrantChange:
    """Told to whoever holds something open on the strength of a grant."""

    event: GrantEvent
    grant: Grant


Listener = Callable[[GrantChange], None]


class Grants:
    """The one judge of who may do what. A caller has at most one lasting and one ephemeral grant, and may use both."""

    def __init__(self, database: Database, clock: Clock = utc_now, policy: AbilityPolicy | None = None) -> None:
        self.policy = policy or AbilityPolicy()
        self._database = database
        self._clock = clock
        self._grants: dict[str, Grant] = {}
        self._listeners: list[Listener] = []
        self._lock = asyncio.Lock()  # two consents for one caller must not lose each other

    async def load(self) -> None:
        """Read the lasting grants, once, at start; drop those that have expired meanwhile."""
        grants = await self._database.run(granttable.list_grants)
        self._grants = {grant.id: grant for grant in grants}
        await self.prune()

    async def add(self, caller: Caller, abilities: Iterable[Ability], terms: GrantTerms | None = None) -> Grant:
        """Remember a consent, merged with what the caller has.

        Raises AbilityRefusedError for what it can never have, and for what is given for a card alone.
        """
        given = frozenset(abilities)
        if given & CARD_ABILITIES:
            raise AbilityRefusedError("this is given for one card at a time")
        return await self._add(self._make(caller, given, terms or GrantTerms()))

    async def add_for_card(self, caller: Caller, given: CardAbility, terms: GrantTerms | None = None) -> Grant:
        """Remember a consent that concerns one card alone, merged alike. Raises AbilityRefusedError."""
        grant = self._make(caller, frozenset({given.ability}), terms or GrantTerms())
        return await self._add(replace(grant, cards=frozenset({given})))

    async def _add(self, new: Grant) -> Grant:
        require_possible(new.caller, new.abilities, self.policy)
        async with self._lock:
            grant = self._merge(new)
            if not grant.ephemeral:
                await self._database.run(lambda connection: granttable.save_grant(connection, grant))
            self._grants[grant.id] = grant
        self._tell(GrantEvent.GIVEN, grant)
        return grant

    def find(self, caller: Caller) -> Grant | None:
        """Find this caller's grant that counts now, the lasting one first."""
        return next(iter(self._list_valid(caller)), None)

    def abilities(self, caller: Caller) -> frozenset[Ability]:
        """List all that this caller may do now, with what every program of this user may."""
        implicit = IMPLICIT_PROGRAM_ABILITIES if caller.kind is CallerKind.PROGRAM else frozenset()
        granted = implicit.union(*(grant.abilities for grant in self._list_valid(caller)))
        return granted & self.policy.possible(caller)  # which may be another one than when it was granted

    def allows(self, caller: Caller, ability: Ability) -> bool:
        """Tell whether to ask for consent; where it matters, call `require`."""
        return ability in self.abilities(caller)

    def allows_for_card(self, caller: Caller, wanted: CardAbility) -> bool:
        """Tell whether this caller may do this with this card now."""
        return any(wanted in grant.cards for grant in self._list_valid(caller))

    def require_for_card(self, caller: Caller, wanted: CardAbility) -> None:
        """Raise GrantRequiredError unless this caller may do this with this card now."""
        if not self.allows_for_card(caller, wanted):
            raise GrantRequiredError(wanted.ability)

    def require(self, caller: Caller, ability: Ability) -> None:
        """Raise GrantRequiredError unless this caller may do this now."""
        if not self.allows(caller, ability):
            raise GrantRequiredError(ability)

    def list_for(self, caller: Caller) -> list[Grant]:
        """List what this caller may see: a page its own grants, a program of this user all of them."""
        now = self._clock()
        grants = [grant for grant in self._grants.values() if grant.expires_at > now]
        return sorted((grant for grant in grants if _may_see(caller, grant)), key=lambda grant: grant.created_at)

    async def revoke(self, grant_id: str, caller: Caller) -> Grant:
        """Take a grant back at once; raise GrantNotFoundError for one that is absent or another page's, alike."""
        async with self._lock:
            grant = self._grants.get(grant_id)
            if grant is None or not _may_see(caller, grant):
                raise GrantNotFoundError
            await self._drop([grant], GrantEvent.REVOKED)
        return grant

    async def prune(self) -> None:
        """Forget expired grants and tell the listeners; the daemon calls this now and then."""
        async with self._lock:
            now = self._clock()
            await self._drop([grant for grant in self._grants.values() if grant.expires_at <= now], GrantEvent.EXPIRED)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` on every change, on the event loop; it must not raise. The answer ends the subscription."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def _drop(self, grants: list[Grant], event: GrantEvent) -> None:
        """Forget first, then tell, then write: a full disk never keeps a revoked grant in force."""
        for grant in grants:
            del self._grants[grant.id]
            self._tell(event, grant)
        lasting = [grant.id for grant in grants if not grant.ephemeral]
        if lasting:
            await self._database.run(lambda connection: granttable.delete_grants(connection, lasting))

    def _tell(self, event: GrantEvent, grant: Grant) -> None:
        for listener in list(self._listeners):
            listener(GrantChange(event, grant))

    def _list_valid(self, caller: Caller) -> list[Grant]:
        now = self._clock()
        grants = [grant for grant in self._grants.values() if grant.caller.key == caller.key]
        return sorted((grant for grant in grants if _counts(grant, now)), key=lambda grant: grant.ephemeral)

    def _make(self, caller: Caller, abilities: frozenset[Ability], terms: GrantTerms) -> Grant:
        now = self._clock()
        return Grant(
            id=secrets.token_hex(ID_BYTES),  # never begins with a dash, which a command line would take for an option
            caller=caller,
            abilities=abilities,
            created_at=now,
            expires_at=now + terms.lifetime,
            ephemeral=terms.ephemeral or not caller.lasting,
        )

    def _merge(self, new: Grant) -> Grant:
        """Unite with the grant of the same caller and kind, under its id.

        No ability outlives the consent that gave it: the earlier end counts, unless the new consent covers everything.
        """
        old = next((grant for grant in self._list_valid(new.caller) if grant.ephemeral == new.ephemeral), None)
        if old is None:
            return new
        expires_at = new.expires_at if new.covers(old) else min(old.expires_at, new.expires_at)
        return replace(old, abilities=old.abilities | new.abilities, cards=old.cards | new.cards, expires_at=expires_at)


def _counts(grant: Grant, now: datetime) -> bool:
    return grant.expires_at > now


def _may_see(caller: Caller, grant: Grant) -> bool:
    return caller.kind is CallerKind.PROGRAM or caller.key == grant.caller.key
