"""Sessions of Pro Santé Connect as mailboxes need them: those of one program, for the client of each mailbox."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.access.callers import Caller, CallerKind
from agent.cards.uses import UseRecord
from agent.services.catalog import Mailbox
from agent.services.mssante.errors import LoginNeededError, TokenNotRefreshedError
from agent.services.mssante.sessions import AccessToken, MailSession, MailSessions
from agent.services.psc.errors import SessionGoneError
from agent.services.psc.opening import Use

if TYPE_CHECKING:
    from agent.services.psc.opening import ProSanteConnect
    from agent.services.psc.sessions import PscEnd, PscSession

log = logging.getLogger(__name__)

BRIDGE_ACTION = "open-mail"


def own_caller() -> Caller:
    """The agent itself: its executable, as the system names that of `cps-agent mail login`, whose session it uses."""
    return Caller(CallerKind.PROGRAM, os.path.realpath(sys.executable))


class PscMailSessions(MailSessions):
    """The sessions of one caller. `record`: what the journal will say of the use that they are for."""

    def __init__(
        self, psc: Callable[[], ProSanteConnect], caller: Caller, record: Callable[[], UseRecord] | None = None
    ) -> None:
        self._psc = psc
        self._caller = caller
        self._record = record or (lambda: UseRecord(BRIDGE_ACTION))

    def find(self, mailbox: Mailbox) -> MailSession | None:
        """See MailSessions. A caller has one session at most for each client."""
        psc = self._psc()
        for session in psc.sessions.list_sessions():
            if session.client == mailbox.client and _key(session.caller) == _key(self._caller):
                return PscMailSession(psc, session, Use(self._caller, mailbox.client, self._record()))
        return None


def _key(caller: Caller) -> tuple[CallerKind, str]:
    """Windows may spell one path in two ways."""
    return caller.kind, os.path.normcase(caller.name)


class PscMailSession(MailSession):
    """One of them."""

    def __init__(self, psc: ProSanteConnect, session: PscSession, use: Use) -> None:
        self.person = session.person.national_id
        self._psc = psc
        self._session = session
        self._use = use

    @property
    def is_over(self) -> bool:
        """See MailSession."""
        return self._session.ended is not None

    async def token(self) -> AccessToken:
        """See MailSession."""
        try:
            access = await self._psc.access(self._use, self._session)
        except SessionGoneError as error:
            raise LoginNeededError from error
        except Exception as error:
            # The edge to all that a refresh takes: the issuer, TLS, a key that may be a card's, a person who is asked.
            log.info("no fresh token for a mailbox: %s", type(error).__name__)
            raise TokenNotRefreshedError from error
        return AccessToken(access.token, access.expires_at)

    def on_end(self, tell: Callable[[], None]) -> Callable[[], None]:
        """See MailSession."""

        def listen(_: PscEnd) -> None:
            tell()

        self._session.on_end.append(listen)
        if self.is_over:
            tell()
        return lambda: self._session.on_end.remove(listen)
