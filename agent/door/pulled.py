"""A card pulled while a program is logged in with it: what was opened there stays open, and the person is told."""

from __future__ import annotations

import asyncio
import contextlib

from agent.access.journal import OK, Journal, JournalEntry
from agent.cards.card import Card
from agent.cards.events import Event, EventBus, EventType
from agent.cards.following import EventFollower
from agent.cards.statejournal import record
from agent.door.program import Program
from agent.people.prompt import Notice, NoticeKind, Prompt, PromptError

PULLED = "card-pulled"


class PulledCards(EventFollower):
    """Remembers which programs have logged in with the card in each reader, until it leaves."""

    def __init__(self, events: EventBus, prompt: Prompt, journal: Journal) -> None:
        super().__init__(events)
        self._prompt = prompt
        self._journal = journal
        self._logins: dict[str, dict[str, tuple[Program, Card]]] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def note_login(self, name: str, program: Program, card: Card) -> None:
        """A program, of this name now, is about to log in with a card."""
        if card.is_software:
            return
        if self._task is None:
            self.start()
        self._logins.setdefault(card.reader, {})[name] = program, card

    async def note(self, event: Event) -> None:
        """Tell once for each program that still runs."""
        if event.type not in (EventType.CARD_REMOVED, EventType.READER_REMOVED) or event.reader is None:
            return
        for name, (program, card) in self._logins.pop(event.reader, {}).items():
            if program.name() == name:
                task = asyncio.get_running_loop().create_task(self._tell(name, card))
                self._telling.add(task)
                task.add_done_callback(self._telling.discard)

    async def _tell(self, name: str, card: Card) -> None:
        entry = JournalEntry(PULLED, name, OK, card_number=card.number, subject=card.reader, by_agent=True)
        await record(self._journal, entry)
        with contextlib.suppress(PromptError):
            await self._prompt.inform(Notice(NoticeKind.CARD_PULLED, card.summary(), program=name))
