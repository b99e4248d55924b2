"""The sessions of one program with its tokens (PKCS #11 v2.40 §2.6, §5.6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agent.door.cryptoki import (
    CKF_RW_SESSION,
    CKF_SERIAL_SESSION,
    CKR_DEVICE_REMOVED,
    CKR_SESSION_CLOSED,
    CKR_SESSION_COUNT,
    CKR_SESSION_HANDLE_INVALID,
    CKR_SESSION_PARALLEL_NOT_SUPPORTED,
    CKS_RO_PUBLIC_SESSION,
    CKS_RO_USER_FUNCTIONS,
    CKS_RW_PUBLIC_SESSION,
    CKS_RW_USER_FUNCTIONS,
)
from agent.door.handles import new_handles
from agent.door.interruption import Interruption
from agent.door.slots import Slot
from agent.door.tokens import DoorToken
from agent.door.values import CryptokiError
from drivers.errors import CardRemovedError

if TYPE_CHECKING:
    from agent.door.objects import DoorObject
    from agent.door.signingcalls import Operation

MAX_SESSIONS = 256


class Session:
    """One session. `search`: handles that C_FindObjects has yet to tell; `values`: of data objects that were read.

    Calls of one session take their turns in the order of their arrival, by its `turn`.
    """

    def __init__(self, handle: int, slot: Slot, token: DoorToken, flags: int) -> None:
        self.handle = handle
        self.slot = slot
        self.token = token
        self.flags = flags
        self.turn = asyncio.Lock()
        self.work = Interruption()
        self.search: list[int] | None = None
        self.signing: Operation | None = None
        self.values: dict[DoorObject, bytes] = {}

    @property
    def is_writable(self) -> bool:
        """Whether the program asked for R/W, which gives it nothing more."""
        return bool(self.flags & CKF_RW_SESSION)

    @property
    def state(self) -> int:
        """Its CKS_ number."""
        if self.is_writable:
            return CKS_RW_USER_FUNCTIONS if self.token.logged_in else CKS_RW_PUBLIC_SESSION
        return CKS_RO_USER_FUNCTIONS if self.token.logged_in else CKS_RO_PUBLIC_SESSION


class Sessions:
    """Those that are open. A session whose token has left tells so once; afterwards there is no such session."""

    def __init__(self) -> None:
        self._open: dict[int, Session] = {}
        self._handles = new_handles()

    def open(self, slot: Slot, token: DoorToken, flags: int) -> Session:
        """A new one. Raises CryptokiError."""
        if not flags & CKF_SERIAL_SESSION:
            raise CryptokiError(CKR_SESSION_PARALLEL_NOT_SUPPORTED)
        if len(self._open) >= MAX_SESSIONS:
            self._forget_gone()
        if len(self._open) >= MAX_SESSIONS:
            raise CryptokiError(CKR_SESSION_COUNT)
        session = Session(next(self._handles), slot, self._known(token), flags)
        self._open[session.handle] = session
        return session

    def _forget_gone(self) -> None:
        """A program that runs for weeks may never ask again for sessions with cards that have left."""
        for session in list(self._open.values()):
            if not session.token.is_here:
                self.close(session)

    def _known(self, token: DoorToken) -> DoorToken:
        """The token of a session that is open with it: who is logged in there is so here."""
        others = (session.token for session in self._open.values())
        return next((other for other in others if other.is_same(token)), token)

    def find(self, handle: int) -> Session:
        """The session of that handle. Raises CryptokiError."""
        session = self._open.get(handle)
        if session is None:
            raise CryptokiError(CKR_SESSION_HANDLE_INVALID)
        if not session.token.is_here:
            self.close(session)
            raise CryptokiError(CKR_DEVICE_REMOVED)
        return session

    @asynccontextmanager
    async def use(self, handle: int) -> AsyncIterator[Session]:
        """The session of that handle, when its turn has come. Raises CryptokiError."""
        session = self.find(handle)
        async with session.turn:
            try:
                yield self.find(handle)
            except CardRemovedError:
                if not session.token.is_here:
                    self.close(session)  # so this was told
                raise

    def count(self, token: DoorToken) -> tuple[int, int]:
        """How many are open with the token, and how many of them are R/W."""
        found = [session for session in self._open.values() if session.token.is_same(token)]
        return len(found), sum(session.is_writable for session in found)

    def close(self, session: Session) -> None:
        """End it, and what runs in it."""
        self._open.pop(session.handle, None)
        session.work.interrupt(CKR_SESSION_CLOSED)

    def close_all(self, slot: Slot | None = None) -> None:
        """End those of a slot, or all."""
        for session in list(self._open.values()):
            if slot in (None, session.slot):
                self.close(session)
