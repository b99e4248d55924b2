"""MSSanté as a whole: bearers for programs, and the bridge for mail programs, put together when somebody first asks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from agent.access.journal import OK, JournalEntry
from agent.access.peer import peer_finder
from agent.loopback import PortTakenError
from agent.services.catalog import Catalog, Mailbox
from agent.services.errors import CatalogError
from agent.services.mssante.bridge import Bridge, BridgeNeeds, Visit
from agent.services.mssante.errors import BridgePortError, MailboxUnknownError
from agent.services.mssante.listening import BridgePorts, Listening
from agent.services.mssante.mailroom import Mailroom, session_for, take_token
from agent.services.mssante.passwords import BridgePasswords
from agent.services.mssante.psc_sessions import BRIDGE_ACTION, PscMailSessions, own_caller
from agent.services.mssante.sessions import xoauth2
from agent.services.mssante.upstream import Upstream

if TYPE_CHECKING:
    from agent.services.opening import ServiceNeeds
    from agent.services.psc.opening import ProSanteConnect, Use
    from agent.services.tls.lines import Lines

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bearer:
    """What logs in to a mailbox's servers: the access token, and the same as SASL XOAUTH2 sends it."""

    user: str
    token: str = field(repr=False)
    xoauth2: str = field(repr=False)
    expires_at: datetime


class Mail:
    """What the API calls. All methods run in the event loop."""

    def __init__(self, needs: ServiceNeeds, catalog: Catalog, lines: Lines, psc: Callable[[], ProSanteConnect]) -> None:
        self._needs = needs
        self._psc = psc
        self.mailboxes = catalog.mailboxes
        self.passwords = BridgePasswords(needs.settings.data_dir)
        self.sessions = PscMailSessions(psc, own_caller())
        self.room = Mailroom(self.mailboxes, self.passwords, self.sessions, Upstream(lines))
        self._peers = peer_finder()
        self._noted: set[tuple[str, str]] = set()
        self._listening: Listening | None = None
        self._changing = asyncio.Lock()

    @property
    def ports(self) -> BridgePorts | None:
        """Where the bridge listens; None: nowhere."""
        return self._listening.ports if self._listening is not None else None

    def mailbox(self, name: str) -> Mailbox:
        """A mailbox of the catalog. Raises MailboxUnknownError."""
        try:
            return self.mailboxes[name]
        except KeyError as error:
            raise MailboxUnknownError from error

    async def bearer(self, use: Use, name: str) -> Bearer:
        """A token of the caller's own session, if that is the mailbox's holder's. Raises MailError, PscError."""
        mailbox = self.mailbox(name)
        self._psc().require_client(use)
        session = session_for(mailbox, PscMailSessions(self._psc, use.caller, lambda: use.record))
        token = await take_token(session)
        return Bearer(mailbox.address, token.text, xoauth2(mailbox.address, token.text), token.expires_at)

    async def start(self) -> BridgePorts:
        """Let mail programs in; a bridge that is up stays as it is. Raises BridgePortError."""
        async with self._changing:
            if self._listening is None:
                self._listening = await self._listen()
            return self._listening.ports

    async def stop(self) -> None:
        """Take the ports away, and cut whoever came by them."""
        async with self._changing:
            listening, self._listening = self._listening, None
            if listening is not None:
                await listening.close()

    async def _listen(self) -> Listening:
        settings = self._needs.settings
        listening = Listening(Bridge(BridgeNeeds(self.room, self._peers, self._note)))
        try:
            await listening.start(BridgePorts(settings.mail_imap_port, settings.mail_smtp_port))
        except PortTakenError as error:
            raise BridgePortError(str(error)) from error
        return listening

    def count(self, name: str) -> int:
        """How many lines to a mailbox are open."""
        return self._listening.bridge.count(name) if self._listening is not None else 0

    def new_password(self, name: str) -> str:
        """Make a password for the bridge; what came in by the one before is cut. Raises MailError, StoreError."""
        password = self.passwords.make(name, self.mailbox(name))
        self._cut(name)
        return password

    def forget_password(self, name: str) -> None:
        """No password opens the mailbox from now on. Raises MailError, StoreError."""
        self.mailbox(name)
        self.passwords.forget(name)
        self._cut(name)

    def _cut(self, name: str) -> None:
        if self._listening is not None:
            self._listening.bridge.cut(name)

    async def _note(self, visit: Visit) -> None:
        """One entry for a program that opens a mailbox, as long as the login lasts; each refusal, counted."""
        program = await asyncio.to_thread(self._peers.find_program, visit.peer) or "program"
        if visit.session is not None:
            key = (program, visit.name or "")
            if key in self._noted:
                return
            self._noted.add(key)
            visit.session.on_end(lambda: self._noted.discard(key))
        address = self.mailboxes[visit.name].address if visit.name is not None else None
        entry = JournalEntry(BRIDGE_ACTION, program, visit.outcome, subject=address, by_person=visit.outcome == OK)
        await self._needs.journal.record(entry)


async def start_as_set(find: Callable[[], Mail]) -> None:
    """Let mail programs in from the agent's start on; where that fails, the agent starts all the same."""
    try:
        await find().start()
    except (CatalogError, BridgePortError) as error:
        log.warning("the mail bridge does not listen: %s", error)
