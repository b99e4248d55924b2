"""Uses of a card by programs of PKCS#11: consent, code, signature, and what the journal keeps of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from agent.access.callers import Ability, Caller, CallerKind, CardAbility
from agent.access.consents import Consents, ConsentSubject
from agent.access.errors import AbilityRefusedError
from agent.access.journal import OK, Journal, JournalEntry
from agent.access.lately import Lately
from agent.cards.card import Card, data_reader
from agent.cards.errors import KeyRefusedError
from agent.cards.statejournal import record
from agent.cards.uses import CardUses, UnlockedKey, UseRecord, UseRequest
from agent.door.program import THROUGH, Program
from agent.door.pulled import PulledCards
from agent.door.rounds import Rounds
from agent.people.prompt import Action, Asker
from drivers.base import DataEntry, DataObject, DataReader, Digest, KeyRole
from drivers.errors import CardError

IGNORED_PIN = "ignore-pin"
READING = "read-card"
CANCELLED = "cancelled"
MOST_AT_ONCE = 12
"""Signatures for one code: what a card makes in one stretch, and a person can still mean by one."""
ABILITIES = {KeyRole.AUTHENTICATION: Ability.USE_AUTHENTICATION_KEY, KeyRole.SIGNATURE: Ability.USE_SIGNATURE_KEY}

NAMELESS = "the system does not tell which program this is, so nothing is done for it"
UNKNOWN = "unknown program"

NameOutcome = Callable[[Exception], str]
"""The stable code of an error, as the journal keeps it."""


@dataclass(frozen=True, slots=True)
class _Use:
    """What one program does with one key or object of one card."""

    program: Program
    caller: Caller
    asker: Asker
    card: Card
    ability: Ability
    label: str
    record: UseRecord

    @classmethod
    def of(cls, program: Program, card: Card, ability: Ability, label: str) -> _Use:
        """Look who it is."""
        record = UseRecord(ability, card_number=card.number, subject=label)
        asker = program.asker()  # once: to look at a process takes a tenth of a millisecond
        caller = Caller(CallerKind.PROGRAM, asker.caller, asker.through)
        return cls(program, caller, asker, card, ability, label, record)

    def require_name(self) -> None:
        """Raise AbilityRefusedError for a program that the system does not name."""
        if not self.caller.name:
            raise AbilityRefusedError(NAMELESS)

    def request(self, count: int = 1) -> UseRequest:
        """As the card's uses take it."""
        return UseRequest(
            self.asker,
            Action(self.ability),
            self.record,
            subjects=(self.label,) * count,
            card=self.card,
            key=self.label,
        )


class KeyUses:
    """The way from a program of the door to a key. One question at a time for each program; the others go on."""

    def __init__(
        self, uses: CardUses, consents: Consents, journal: Journal, pulled: PulledCards, name_outcome: NameOutcome
    ) -> None:
        self._uses = uses
        self._consents = consents
        self._journal = journal
        self._name_outcome = name_outcome
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._rounds: Rounds[tuple[str, int, str, KeyRole], Digest, bytes] = Rounds()
        self._pulled = pulled
        self._told: set[str] = set()
        self._lately = Lately()
        self._telling: set[asyncio.Task[None]] = set()

    async def sign(self, program: Program, card: Card, role: KeyRole, digest: Digest) -> bytes:
        """Sign for a program. What waits for one authentication key at the same time is asked for in one question.

        Raises PromptError, AccessError, KeyRefusedError and others of agent.cards.errors, DriverError, StoreError.
        """
        name = program.name()
        key = name, id(card), card.number, role
        most = MOST_AT_ONCE if role is KeyRole.AUTHENTICATION else 1
        signed = await self._rounds.join(key, digest, lambda digests: self._sign(program, card, role, digests), most)
        _require_still(program, name)
        return signed

    async def _sign(self, program: Program, card: Card, role: KeyRole, digests: list[Digest]) -> list[bytes]:
        info = card.key(role)
        use = _Use.of(program, card, ABILITIES[role], info.label)
        wanted = CardAbility(use.ability, card.number)

        async def make(key: UnlockedKey) -> list[bytes]:
            self._consents.grants.require_for_card(use.caller, wanted)  # taken back while the person was asked
            return await key.sign_all(digests)

        async with self._journaled(use, len(digests)):
            if not all(info.signs(digest) for digest in digests):
                raise KeyRefusedError("the key does not sign this")
            async with self._turn(use):
                await self._consents.ask_for_card(
                    use.caller, use.asker, wanted, ConsentSubject(card.summary(), use.label)
                )
                if role is KeyRole.AUTHENTICATION:
                    self._pulled.note_login(use.caller.name, program, card)
                return await self._uses.sign(use.request(len(digests)), role, make)

    async def list_data(self, card: Card) -> tuple[DataEntry, ...]:
        """The data objects of the card, without values; none of a token that has none. Raises DriverError."""
        reader = card.token
        if not isinstance(reader, DataReader):
            return ()
        return await self._uses.list_data(card, reader)

    async def read_data(self, program: Program, card: Card, entry: DataEntry) -> bytes:
        """The value of a data object; a private one after consent and code. Raises what `sign` raises."""
        if not entry.private:
            return _value(entry, await self._uses.read_public_data(card, data_reader(card), _wants(entry)))
        use = _Use.of(program, card, Ability.READ_PRIVATE_DATA, entry.label)
        wanted = CardAbility(use.ability, card.number)
        async with self._journaled(use), self._turn(use):
            await self._consents.ask_for_card(use.caller, use.asker, wanted, ConsentSubject(card.summary()))
            _, found = await self._uses.read_data(use.request(), _wants(entry))
            self._consents.grants.require_for_card(use.caller, wanted)
            _require_still(program, use.caller.name)
            return _value(entry, found)

    def note_ignored_pin(self, program: Program) -> None:
        """Say once in the journal that a program sends codes, which nobody reads."""
        name = program.name()
        if name not in self._told:
            self._told.add(name)
            self._note(JournalEntry(IGNORED_PIN, name or UNKNOWN, OK, THROUGH, by_agent=True))

    def note_reading(self, program: Program, card: Card) -> None:
        """Say in the journal that a program reads who the holder of a card is, as for callers of the API."""
        name = program.name() or UNKNOWN
        if not card.is_software and self._lately.is_news(name, card.number):
            self._note(JournalEntry(READING, name, OK, THROUGH, card.number))

    def _note(self, entry: JournalEntry) -> None:
        task = asyncio.get_running_loop().create_task(record(self._journal, entry))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def _turn(self, use: _Use) -> asyncio.Lock:
        return self._turns.setdefault(use.caller.name, asyncio.Lock())

    @asynccontextmanager
    async def _journaled(self, use: _Use, count: int = 1) -> AsyncIterator[None]:
        """Note how it ended, before anything is handed out and never twice."""
        started = time.monotonic()
        try:
            use.require_name()
            yield
        except asyncio.CancelledError:
            await asyncio.shield(self._record(use, CANCELLED, count, started))
            raise
        except Exception as error:
            await self._record(use, self._name_outcome(error), count, started)
            raise
        await self._record(use, OK, count, started)

    async def _record(self, use: _Use, outcome: str, count: int, started: float) -> None:
        entry = JournalEntry(
            action=use.ability,
            caller=use.caller.name or UNKNOWN,
            outcome=outcome,
            through=use.caller.through,
            card_number=use.card.number,
            subject=use.label if count == 1 else f"{use.label} ({count})",
            exchanges=use.record.exchanges or None,
            duration_ms=round((time.monotonic() - started) * 1000),
            by_person=use.record.code_given,
        )
        await self._journal.record(entry)


def _require_still(program: Program, name: str) -> None:
    """Raise AbilityRefusedError if it has become another program while the person was asked about this one."""
    if program.name() != name:
        raise AbilityRefusedError(NAMELESS)


def _wants(entry: DataEntry) -> Callable[[str], bool]:
    return lambda label: label == entry.label


def _value(entry: DataEntry, found: tuple[DataObject, ...]) -> bytes:
    for item in found:
        if entry == DataEntry(item.label, item.application, item.private):
            return item.value
    raise CardError("the card did not show this object")
