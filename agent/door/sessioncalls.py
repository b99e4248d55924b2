"""C_OpenSession to C_Logout (PKCS #11 v2.40 §5.6), C_LoginUser and C_SessionCancel (v3.0 §5.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.door import cryptoki as ck
from agent.door.sessions import Session, Sessions
from agent.door.slots import Slots
from agent.door.values import CryptokiError, Handler


class SessionCalls:
    """Sessions, and logins that give nothing. `on_pin`: a program has sent a code, which nobody looks at."""

    def __init__(self, slots: Slots, sessions: Sessions, on_pin: Callable[[], None]) -> None:
        self._slots = slots
        self._sessions = sessions
        self._on_pin = on_pin
        self.handlers: Mapping[str, Handler] = {
            "OpenSession": self.open,
            "CloseSession": self.close,
            "CloseAllSessions": self.close_all,
            "GetSessionInfo": self.describe,
            "SessionCancel": self.cancel,
            "Login": self.log_in,
            "LoginUser": self.log_in_user,
            "Logout": self.log_out,
        }

    async def open(self, number: int, flags: int) -> tuple[object, ...]:
        """A session with the token of the slot, R/W too: ssh asks for nothing else, and writes nothing."""
        slot = await self._slots.find(number)
        return (self._sessions.open(slot, await self._slots.find_token(slot), flags).handle,)

    async def close(self, handle: int) -> tuple[object, ...]:
        """At once: what runs in the session ends with CKR_SESSION_CLOSED, and a question about it goes away."""
        self._sessions.close(self._sessions.find(handle))
        return ()

    async def close_all(self, number: int) -> tuple[object, ...]:
        """The same for each session with a slot."""
        self._sessions.close_all(await self._slots.find(number))
        return ()

    async def describe(self, handle: int) -> tuple[object, ...]:
        """Nothing is waited for, not even a call that runs in the session."""
        session = self._sessions.find(handle)
        return session.slot.id, session.state, session.flags, 0

    async def cancel(self, handle: int, flags: int) -> tuple[object, ...]:
        """End the operations that the flags name, also one that a person is being asked about."""
        session = self._sessions.find(handle)
        if flags & ck.CKF_FIND_OBJECTS:
            session.search = None
        if flags & ck.CKF_SIGN:
            session.signing = None
            session.work.interrupt(ck.CKR_FUNCTION_CANCELED)
        return ()

    async def log_in(self, handle: int, user: int, pin: object) -> tuple[object, ...]:
        """Any code will do, and none is looked at; keys are asked about when they are used."""
        if user > ck.CKU_CONTEXT_SPECIFIC:
            raise CryptokiError(ck.CKR_USER_TYPE_INVALID)
        session = self._sessions.find(handle)
        if pin is not None:
            self._on_pin()
        self._note_login(session, user)
        return ()

    def _note_login(self, session: Session, user: int) -> None:
        if user == ck.CKU_CONTEXT_SPECIFIC:
            if session.signing is None:
                raise CryptokiError(ck.CKR_OPERATION_NOT_INITIALIZED)
            return
        if session.token.logged_in:
            raise CryptokiError(ck.CKR_USER_ALREADY_LOGGED_IN)
        session.token.logged_in = True

    async def log_in_user(self, handle: int, user: int, pin: object, _name: object) -> tuple[object, ...]:
        """The same; there is one user."""
        return await self.log_in(handle, user, pin)

    async def log_out(self, handle: int) -> tuple[object, ...]:
        """Handles stay what they were, as they were worth the same before."""
        session = self._sessions.find(handle)
        if not session.token.logged_in:
            raise CryptokiError(ck.CKR_USER_NOT_LOGGED_IN)
        session.token.logged_in = False
        return ()
