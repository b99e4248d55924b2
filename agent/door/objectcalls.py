"""C_FindObjectsInit to C_FindObjectsFinal, and C_GetAttributeValue (PKCS #11 v2.40 §5.7)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from agent.door import cryptoki as ck
from agent.door.attributes import DATA_TYPES
from agent.door.context import DoorServices
from agent.door.objects import CardObjects, DoorObject, Objects
from agent.door.program import Program
from agent.door.sessions import Session, Sessions
from agent.door.slots import Slots
from agent.door.values import Attribute, AttributeRoom, CryptokiError, Handler
from drivers.errors import DriverError

log = logging.getLogger(__name__)


class ObjectCalls:
    """What a program finds in its tokens, and what it is told of that."""

    def __init__(
        self, program: Program, served: DoorServices, slots: Slots, sessions: Sessions, objects: Objects
    ) -> None:
        self._program = program
        self._keys = served.keys
        self._slots = slots
        self._sessions = sessions
        self._objects = objects
        self.handlers: Mapping[str, Handler] = {
            "FindObjectsInit": self.begin_search,
            "FindObjects": self.search,
            "FindObjectsFinal": self.end_search,
            "GetAttributeValue": self.read_attributes,
        }

    async def begin_search(self, handle: int, template: Sequence[Attribute]) -> tuple[object, ...]:
        """Everything that matches is found now, and told in pieces."""
        async with self._sessions.use(handle) as session:
            if session.search is not None:
                raise CryptokiError(ck.CKR_OPERATION_ACTIVE)
            if session.slot.is_software:
                await self._slots.look_at_software()
            found: list[int] = []
            for objects in self._objects.of(session.token):
                await self._list_data(session, objects, template)
                shown = (item for item in objects.handles.items() if _is_shown(session, item[1]))
                matching = [number for number, each in shown if each.matches(template)]
                self._note_reading(objects, matching)
                found += matching
            session.search = found
        return ()

    def _note_reading(self, objects: CardObjects, found: list[int]) -> None:
        """A program that finds something of a card can tell whose it is: once for each card and program."""
        if found and not objects.noted:
            objects.noted = True
            self._keys.note_reading(self._program, objects.card)

    async def search(self, handle: int, room: int | None) -> tuple[object, ...]:
        """The next handles, as many as there is room for."""
        async with self._sessions.use(handle) as session:
            if session.search is None:
                raise CryptokiError(ck.CKR_OPERATION_NOT_INITIALIZED)
            found, session.search = session.search[: room or 0], session.search[room or 0 :]
        return (tuple(found),)

    async def end_search(self, handle: int) -> tuple[object, ...]:
        """Forget what was not told."""
        async with self._sessions.use(handle) as session:
            if session.search is None:
                raise CryptokiError(ck.CKR_OPERATION_NOT_INITIALIZED)
            session.search = None
        return ()

    async def read_attributes(self, handle: int, number: int, rooms: Sequence[AttributeRoom]) -> tuple[object, ...]:
        """What is asked for; the value of a data object is read from the card, after the person was asked."""
        async with self._sessions.use(handle) as session:
            found = self._objects.find(session.token, number)
            if found.entry is None or not any(room.type == ck.CKA_VALUE for room in rooms):
                return (found.answer(rooms),)
            return (found.answer(rooms, await self._read_value(session, found)),)

    async def _read_value(self, session: Session, found: DoorObject) -> bytes:
        """Kept until the session ends: programs ask for the size first, and a person is asked once."""
        if found.entry is not None and found not in session.values:
            reading = self._keys.read_data(self._program, found.card, found.entry)
            session.values[found] = await session.work.run(reading)
        return session.values[found]

    async def _list_data(self, session: Session, objects: CardObjects, template: Sequence[Attribute]) -> None:
        """Have the card list its data objects where the program may mean one: that takes exchanges the first time.

        A card that does not tell has none, unless it is gone or the program asked for nothing else.
        """
        if not _may_be_data(template):
            return
        try:
            objects.take_data(await session.work.run(self._keys.list_data(objects.card)))
        except DriverError as error:
            if not session.token.is_here or any(wanted.type == ck.CKA_CLASS for wanted in template):
                raise
            log.info("the data objects of the card %s cannot be listed: %s", objects.card.number, error)


def _is_shown(session: Session, found: DoorObject) -> bool:
    """A private data object is for those who log in (§4.4, CKA_PRIVATE): GnuTLS reads the values of all that it lists.

    A key is for everybody, or programs would ask for a code that nobody wants.
    """
    return found.entry is None or not found.entry.private or session.token.logged_in


def _may_be_data(template: Sequence[Attribute]) -> bool:
    """Whether a data object can match: each of the attributes is one that it has, and the class is its own."""
    return all(
        wanted.type in DATA_TYPES and (wanted.type != ck.CKA_CLASS or wanted.value == ck.CKO_DATA)
        for wanted in template
    )
