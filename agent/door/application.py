"""One program at the door, as PKCS#11 sees an application: its slots, sessions, objects and signatures."""

from __future__ import annotations

from agent.door import cryptoki as ck
from agent.door.calls import HANDSHAKE
from agent.door.context import DoorServices
from agent.door.errors import KNOWN, to_cryptoki
from agent.door.objectcalls import ObjectCalls
from agent.door.objects import Objects
from agent.door.program import Program
from agent.door.sessioncalls import SessionCalls
from agent.door.sessions import Sessions
from agent.door.signingcalls import SigningCalls
from agent.door.slotcalls import MANUFACTURER, SlotCalls
from agent.door.slots import Slots
from agent.door.texts import padded
from agent.door.values import CryptokiError, Handler, Request

INITIALIZE = "Initialize"
CRYPTOKI_VERSION, LIBRARY_VERSION = (2, 40), (0, 1)
DESCRIPTION = padded("CPS agent", 32)


class Application:
    """A program from its connection to its end. `modern`: its client knows PKCS #11 v3.0.

    `initialized` is what a planned restart has to keep: sessions end with it, and the program opens new ones. Calls of
    one session run in the order of their arrival, those of different sessions side by side.
    """

    def __init__(self, program: Program, served: DoorServices, modern: bool) -> None:  # noqa: FBT001 - as it is wired
        slots = Slots(served.cards, served.database)
        objects = Objects(served.cards.holds)
        self.initialized = False
        self._sessions = Sessions()
        self._slot_calls = SlotCalls(slots, self._sessions, served.cards.events, modern=modern)
        sessions = SessionCalls(slots, self._sessions, lambda: served.keys.note_ignored_pin(program))
        finding = ObjectCalls(program, served, slots, self._sessions, objects)
        signing = SigningCalls(program, served, self._sessions, objects)
        self._handlers: dict[str, Handler] = {
            INITIALIZE: self._initialize,
            "Finalize": self._finalize,
            "GetInfo": self._describe,
            **self._slot_calls.handlers,
            **sessions.handlers,
            **finding.handlers,
            **signing.handlers,
        }

    async def call(self, request: Request) -> tuple[object, ...]:
        """Do what was asked. Raises CryptokiError; whatever else is raised is a defect.

        The call may be cancelled: a question that it has put to the person goes away.
        """
        name = request.call.name
        if not self.initialized and name != INITIALIZE:
            raise CryptokiError(ck.CKR_CRYPTOKI_NOT_INITIALIZED)
        handler = self._handlers.get(name)
        if handler is None:
            raise CryptokiError(ck.CKR_FUNCTION_NOT_SUPPORTED)
        try:
            return await handler(*request.arguments)
        except KNOWN as error:
            raise to_cryptoki(error) from error

    def close(self) -> None:
        """The program is gone: what runs for it ends."""
        self.initialized = False
        self._slot_calls.end()
        self._sessions.close_all()

    async def _initialize(self, handshake: object, *_reserved: object) -> tuple[object, ...]:
        if handshake != HANDSHAKE:
            raise CryptokiError(ck.CKR_ARGUMENTS_BAD)
        if self.initialized:
            raise CryptokiError(ck.CKR_CRYPTOKI_ALREADY_INITIALIZED)
        await self._slot_calls.begin()
        self.initialized = True
        return ()

    async def _finalize(self) -> tuple[object, ...]:
        self.close()
        return ()

    async def _describe(self) -> tuple[object, ...]:
        return CRYPTOKI_VERSION, MANUFACTURER, 0, DESCRIPTION, LIBRARY_VERSION
