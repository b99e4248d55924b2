"""Pro Santé Connect as a whole: clients, issuers, logins and sessions, put together when somebody first asks."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from agent.access.callers import Caller
from agent.access.consents import asker_of
from agent.access.errors import AccessError, StoreError
from agent.access.grants import Grants
from agent.access.journal import Journal, JournalEntry
from agent.cards.sessions import read_boot_clock
from agent.cards.uses import UseRecord
from agent.fetching import Fetcher, Request, Response
from agent.people.presence import AwayReason
from agent.services.browser import open_browser
from agent.services.catalog import Catalog, Client
from agent.services.psc.checking import Asked, check_login, check_refresh
from agent.services.psc.checks import check_level
from agent.services.psc.codelogin import CodeLogin, CodeRequest, OpenBrowser
from agent.services.psc.endpoints import CallFacts, ClientDesk, DeskNeeds, Endpoints
from agent.services.psc.errors import ClientRefusedError, LoginAbandonedError, LoginOpenError
from agent.services.psc.history import describe_end
from agent.services.psc.issuers import Issuers, KnownIssuer
from agent.services.psc.leaving import do_unless
from agent.services.psc.lines import ClientLines
from agent.services.psc.oauth import PscError
from agent.services.psc.restraint import Restraint
from agent.services.psc.sessions import Access, PscEnd, PscSession, PscSessions
from agent.services.psc.tokens import TokenAnswer
from drivers.errors import DriverError

if TYPE_CHECKING:
    from agent.services.channels.channels import Channels
    from agent.services.opening import ServiceNeeds

log = logging.getLogger(__name__)

DISOWN_S: Final = 5.0
MAX_PAGES: Final = 8
PAGES_S: Final = 600.0
"""So many pages that a program opens in the person's browser, and nobody logs in, within so long."""


@dataclass(frozen=True, slots=True)
class Use:
    """One call of a program for one client of the catalog: who asks, for what, and what the journal will say of it."""

    caller: Caller
    name: str
    record: UseRecord


class ProSanteConnect:
    """What the API and the mail bridge call. All methods run in the event loop."""

    def __init__(
        self, catalog: Catalog, issuers: Issuers, clients: ClientDesk, sessions: PscSessions, journal: Journal
    ) -> None:
        self._catalog = catalog
        self._journal = journal
        self._notes: set[asyncio.Task[None]] = set()
        self._issuers = issuers
        self.clients = clients
        self.sessions = sessions
        self.open_browser: OpenBrowser = open_browser
        self._pages = Restraint(MAX_PAGES, PAGES_S, time.monotonic)
        self._logging_in: dict[tuple[Any, str], asyncio.Event] = {}
        self._unfollow: list[Callable[[], None]] = []

    def require_client(self, use: Use) -> Client:
        """The client, for a program that may use it. Raises ClientRefusedError."""
        client = self._catalog.clients.get(use.name)
        if client is None or not _is_among(use.caller.name, client.programs):
            raise ClientRefusedError
        return client

    def issuer(self, client: Client) -> KnownIssuer:
        """The issuer of a client."""
        return self._issuers.find(client.issuer)

    async def endpoints(self, use: Use, client: Client) -> Endpoints:
        """What this call may say to the client's issuer. Raises what the issuer's metadata raise."""
        issuer = self.issuer(client)
        facts = (await issuer.metadata()).facts(issuer.title)
        return self.clients.endpoints(use.name, client, facts, CallFacts(asker_of(use.caller), use.record))

    async def log_in(self, use: Use, acr: str | None = None) -> PscSession:
        """A login in the system browser; it ends with the call that asked for it.

        Raises ClientRefusedError, DeskBusyError, PscError of every kind, and what CardBinding.of raises.
        """
        client = self.require_client(use)
        self._pages.require(use.caller.key)
        with self._one_at_a_time(use) as left:
            endpoints = await self.endpoints(use, client)
            metadata = await self.issuer(client).metadata()
            request = CodeRequest(check_level(acr or client.acr), fresh=client.fresh_login)
            self._pages.note(use.caller.key)
            login = CodeLogin(client, metadata, endpoints, self.open_browser).run(request)
            members = await do_unless({left.wait(): LoginAbandonedError}, login)
            session = await self.accept(use, endpoints, request.asked(), members)
        self._pages.forget(use.caller.key)
        return session

    async def accept(self, use: Use, endpoints: Endpoints, asked: Asked, members: Mapping[str, Any]) -> PscSession:
        """Judge what a token endpoint answered to a login, by whatever way it was made, and hold it.

        Raises TokenCheckError, IssuerAnswerError, OtherPersonError, LoginCardGoneError, GrantRequiredError.
        """
        client = self.require_client(use)
        try:
            login = await check_login(self.issuer(client), endpoints, client.client_id, asked, members)
            session = await self.sessions.open(use.caller, use.name, login)
        except (PscError, AccessError, DriverError):
            await self._disown(client, endpoints, members)
            raise
        session.on_end.append(lambda reason: self._note_end(session, reason))
        return session

    def _note_end(self, session: PscSession, reason: PscEnd) -> None:
        entry = describe_end(session, reason)
        if entry is not None:
            task = asyncio.get_running_loop().create_task(self._record(entry))
            self._notes.add(task)
            task.add_done_callback(self._notes.discard)

    async def _record(self, entry: JournalEntry) -> None:
        try:
            await self._journal.record(entry)
        except StoreError as error:
            log.error("the end of a session cannot be noted: %s", error)  # noqa: TRY400 - one line is enough

    async def access(self, use: Use, session: PscSession) -> Access:
        """An access token of that session of the caller's own. Raises SessionGoneError, PscError."""
        client = self.require_client(use)

        async def refresh(session: PscSession) -> TokenAnswer:
            if session.tokens.refresh is None:
                raise PscError("the issuer gave no refresh token")
            form = {"grant_type": "refresh_token", "refresh_token": session.tokens.refresh.read()}
            endpoints = await self.endpoints(use, client)
            metadata = await self.issuer(client).metadata()
            members = await endpoints.post(metadata.token, form)
            return await check_refresh(self.issuer(client), endpoints, client.client_id, session.login, members)

        return await self.sessions.access(session, refresh)

    async def log_out(self, use: Use, session: PscSession) -> bool:
        """End a session here at once, then at its issuer. Gives whether the issuer has heard of it."""
        tokens = session.tokens
        refresh, id_token = (token.read() if token is not None else None for token in (tokens.refresh, tokens.id))
        self.sessions.end(session, PscEnd.LOGGED_OUT)
        client = self._catalog.clients[session.client]
        try:
            await self._say_farewell(client, await self.endpoints(use, client), refresh, id_token)
        except Exception as error:  # noqa: BLE001 - it has ended here, whatever a key or the network says
            log.info("the issuer of %s was not told of a logout: %s", session.client, type(error).__name__)
            return False
        return True

    async def _say_farewell(
        self, client: Client, endpoints: Endpoints, refresh: str | None, id_token: str | None
    ) -> None:
        """End the issuer's own session (RP-Initiated Logout 1.0 §2), and revoke the refresh token (RFC 7009).

        The refresh token goes to the former as well: Keycloak's logout ends a session by it and shows no page, which
        nobody has seen at Pro Santé Connect itself. Whoever does not know the parameter leaves it.
        """
        metadata = await self.issuer(client).metadata()
        if metadata.end_session is not None and id_token is not None:
            form = {"id_token_hint": id_token, "client_id": client.client_id}
            await endpoints.tell(metadata.end_session, form | ({"refresh_token": refresh} if refresh else {}))
        if metadata.revocation is not None and refresh is not None:
            await endpoints.tell(metadata.revocation, {"token": refresh, "token_type_hint": "refresh_token"})

    async def _disown(self, client: Client, endpoints: Endpoints, members: Mapping[str, Any]) -> None:
        """Have tokens revoked that will not be used, where the issuer hears it soon."""
        refresh = members.get("refresh_token")
        with suppress(Exception):  # why they are not used is what is told
            async with asyncio.timeout(DISOWN_S):
                await self._say_farewell(client, endpoints, refresh if isinstance(refresh, str) else None, None)

    def follow(self, grants: Grants) -> None:
        """End what was opened on the strength of a grant with it."""
        self._unfollow.append(grants.subscribe(self.sessions.follow_grants))
        self._unfollow.append(grants.subscribe(self.clients.follow_grants))

    def leave(self, reason: AwayReason) -> None:
        """The person is not at the desk any more: what they began there is not finished by somebody else."""
        for left in self._logging_in.values():
            left.set()
        self.sessions.leave(reason)
        self.clients.leave(reason)

    async def close(self) -> None:
        """The agent stops: every session ends, and every token is wiped."""
        while self._unfollow:
            self._unfollow.pop()()
        await self.sessions.close()
        await asyncio.gather(*self._notes)
        await self.clients.close()

    @contextmanager
    def _one_at_a_time(self, use: Use) -> Iterator[asyncio.Event]:
        """Give what is set once the person has left the desk."""
        key = (use.caller.key, use.name)
        if key in self._logging_in:
            raise LoginOpenError
        left = self._logging_in[key] = asyncio.Event()
        try:
            yield left
        finally:
            del self._logging_in[key]


def _is_among(program: str, programs: Iterable[str]) -> bool:
    """Whether an executable is one of those named; the system tells its real path, a file of settings may not."""
    return bool(program) and any(_same(program, os.path.realpath(named)) or _same(program, named) for named in programs)


def _same(path: str, other: str) -> bool:
    return os.path.normcase(path) == os.path.normcase(other)


def open_psc(needs: ServiceNeeds, catalog: Catalog, channels: Channels) -> ProSanteConnect:
    """Put it together. Nothing is fetched or watched before somebody logs in."""
    anchors = partial(_list_anchors, needs)
    desk = ClientDesk(DeskNeeds(needs.cards, needs.uses, ClientLines(channels).call, anchors, _read_secret))
    sessions = PscSessions(needs.cards, needs.grants, read_boot_clock)
    issuers = Issuers(catalog.issuers, partial(_ask, anchors))
    made = ProSanteConnect(catalog, issuers, desk, sessions, needs.journal)
    made.follow(needs.grants)
    return made


def _list_anchors(needs: ServiceNeeds) -> tuple[bytes, ...]:
    """IGC-Santé's roots and those of test domains: servers of the health network are certified by the former."""
    return needs.trust.chains.list_authorities().roots_der


def _ask(anchors: Callable[[], Iterable[bytes]], hosts: frozenset[str], request: Request) -> Response:
    return Fetcher(hosts, anchors()).fetch(request)


def _read_secret(name: str) -> bytearray | None:
    from agent.keystore import open_key_store  # noqa: PLC0415 - it brings D-Bus

    return open_key_store().get(name)
