"""The agent as a whole: everything wired, started, and stopped in the right order."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.access.callers import AbilityPolicy
from agent.access.consents import Consents
from agent.access.database import Database
from agent.access.folder import secure_folder, write_private
from agent.access.grants import Grants
from agent.access.journal import Journal
from agent.access.local_token import LocalToken, remove_token
from agent.access.peer import peer_finder
from agent.api.app import make_app
from agent.api.context import Services
from agent.api.problems import find_problem
from agent.api.server import Server
from agent.cards.asking import CardAsker
from agent.cards.cards import Cards
from agent.cards.certificates import watch_cards
from agent.cards.e_cps import UsedECps
from agent.cards.events import EventBus, tell_grant_change
from agent.cards.means import KnownMeans
from agent.cards.opening import CardOpener
from agent.cards.policy import CardPolicy
from agent.cards.seen import SeenCards, SeenFollower
from agent.cards.sessions import PinSessions, SessionEnd, SessionTerms
from agent.cards.software import SoftwareCards, open_system_store
from agent.cards.software_desk import SoftwareDesk
from agent.cards.statejournal import StateJournal, note_reading
from agent.cards.uses import CardUses
from agent.certificates.cache import CardCache
from agent.certificates.forgetting import Memories
from agent.certificates.test_root import TestRoot
from agent.certificates.trust import open_trust
from agent.children import MODULES, NO_DOOR, child_command, clean_environment
from agent.door.opening import close_door, open_door
from agent.people.desk import Desk
from agent.people.dialog_process import DialogPrompt
from agent.people.presence import AwayReason, OnAway, Presence, open_presence
from agent.people.prompt import Prompt, RefusingPrompt
from agent.people.scripted import ScriptedPrompt
from agent.servicemanager import ServiceManager
from agent.services.directory.directory import Directory
from agent.services.directory.opening import open_directory
from agent.services.opening import HealthServices, ServiceNeeds
from agent.settings import Settings
from agent.signing.opening import SigningNeeds, SigningServices
from agent.succession import Succession
from drivers.base import Readers
from drivers.folder_lock import FolderLock
from drivers.pkcs11.workers import ModuleWorkers
from drivers.registry import open_card_modules, open_module_tokens, open_pcsc_readers, open_virtual_readers

if TYPE_CHECKING:
    from agent.door.application import Application
    from agent.door.context import DoorServices
    from agent.door.program import Program

log = logging.getLogger(__name__)

DATABASE_FILE = "agent.db"
PORT_FILE = "port"
PRUNE_S = 3600.0
TEST_PIN, TEST_PUK = "1234", "12345678"


class Daemon:
    """One run of the agent; what is given replaces the settings' own. `port` is known once it has started.

    `inherited`: what the run before it has left; `succession`: after a restart(), what the next run is to be given.
    `manager`: the systemd that runs it; the end that it brings about may be the first half of a restart.
    """

    def __init__(
        self,
        settings: Settings,
        prompt: Prompt | None = None,
        readers: Readers | None = None,
        presence: Presence | None = None,
        inherited: Succession | None = None,
    ) -> None:
        self.settings = settings
        self.succession: Succession | None = None
        self.manager: ServiceManager | None = None
        self._inherited = inherited or Succession()
        self._prompt = prompt
        self._readers = readers
        self._presence = presence
        self.port = 0
        self._stopped = asyncio.Event()
        self._on_away: list[OnAway] = []
        self._background: set[asyncio.Task[None]] = set()

    async def run(self, on_ready: Callable[[int], None]) -> None:
        """Serve until stop() or a signal. Raises StoreError, PortTakenError, DriverError when it cannot start."""
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            self._catch_signals()
            on_ready(self.port)
            await self._stopped.wait()

    def stop(self) -> None:
        """End the run."""
        self._stopped.set()

    def restart(self, *, by_exec: bool = True) -> None:
        """End the run so that another one goes on with its sockets: this process anew, or one that systemd starts."""
        if not self._stopped.is_set():
            log.info("the agent makes way for its next run")
            self.succession = Succession(by_exec=by_exec)
            self.stop()

    def _end(self) -> None:
        """Whoever ends a run that restarts means the run after it as well."""
        if self.succession is not None:
            self.succession.by_exec = False
        elif self.manager is not None:
            self.restart(by_exec=False)
        else:
            self.stop()

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        database = await self._open_folder(stack)
        served = await self._wire(database, stack)
        await self._listen(served, stack)
        await self._open_local_ports(served, stack)
        open_application = _application_opener(served, database)
        door = await open_door(self.settings, open_application, served.journal, self._inherited, self.manager)
        stack.push_async_callback(lambda: close_door(door, self.succession))
        watch_cards(served.cards, served.trust)
        stack.push_async_callback(served.trust.watch.stop)
        served.cards.start()
        await served.health.start()
        self._spawn(_prune(served.grants))

    async def _open_folder(self, stack: contextlib.AsyncExitStack) -> Database:
        """Take the data folder for this run, and open what is in it."""
        folder = self.settings.data_dir
        secure_folder(folder)
        stack.callback(FolderLock(folder).release)
        _remove(folder / PORT_FILE)  # after a crash the port may be another user's: no new token is to go there
        database = Database(folder / DATABASE_FILE)
        await database.open()
        stack.push_async_callback(database.close)
        if database.recovered:
            log.warning("the database was damaged and has been moved aside: grants and journal begin anew")
        return database

    async def _wire(self, database: Database, stack: contextlib.AsyncExitStack) -> Services:
        folder = self.settings.data_dir
        abilities = AbilityPolicy(frozenset(self.settings.gateway_origins))
        journal, grants = Journal(database), Grants(database, policy=abilities)
        await grants.load()
        root = TestRoot(folder)
        trust = open_trust(self.settings, root.authorities_der)
        policy = CardPolicy(root.vouches_for, trust.chains.refutes, self.settings.unattended, trust.knows_issuer)
        memories = Memories(database.scrub)
        cards, seen = await self._make_cards(database, journal, policy, memories, stack)
        directory = _open_directory(self.settings, database, stack)
        memories.add("directory", directory.forget)
        memories.add("revocations", trust.watch.forget)
        cards.software = SoftwareCards(folder, open_system_store, policy)
        grants.subscribe(functools.partial(tell_grant_change, cards.events))
        token = LocalToken.create(folder)
        stack.callback(remove_token, folder)
        desk = Desk(self._prompt or self._choose_prompt())
        sessions = await self._make_sessions(cards, grants, stack)
        software = SoftwareDesk.of(cards.software, desk, policy, self.settings.software_keys)
        means = KnownMeans(cards, seen, trust.states.find)
        seen.issuer_is_known = trust.knows_issuer
        means.list_software = software.keeper.list_certificates
        e_cps = UsedECps(database)
        means.e_cps = e_cps.list
        memories.add("eCps", e_cps.forget)
        uses = CardUses(cards, CardAsker(cards, desk), sessions, trust.states.is_revoked)
        needs = SigningNeeds(
            self.settings, uses, trust.chains, grants, journal, cards.events, lambda error: find_problem(error).code
        )
        signing = self._open_signing(needs, stack)
        services = ServiceNeeds(self.settings, cards, uses, trust, grants, journal, desk, e_cps)
        return Services(
            token=token,
            peers=peer_finder(),
            grants=grants,
            consents=Consents(desk, grants, ephemeral=self.settings.unattended),
            journal=journal,
            desk=desk,
            sessions=sessions,
            cards=cards,
            uses=uses,
            events=cards.events,
            directory=directory,
            means=means,
            memories=memories,
            software=software,
            trust=trust,
            signing=signing,
            health=self._open_health(services, stack),
        )

    def _open_signing(self, needs: SigningNeeds, stack: contextlib.AsyncExitStack) -> SigningServices:
        signing = SigningServices(needs)
        stack.push_async_callback(signing.close)
        self._on_away.append(lambda _: signing.stop_batches())
        return signing

    def _open_health(self, needs: ServiceNeeds, stack: contextlib.AsyncExitStack) -> HealthServices:
        health = HealthServices(needs)
        stack.push_async_callback(health.close)
        self._on_away.append(health.leave)
        self._spawn(health.tls.find_soon())
        return health

    async def _make_cards(
        self,
        database: Database,
        journal: Journal,
        policy: CardPolicy,
        memories: Memories,
        stack: contextlib.AsyncExitStack,
    ) -> tuple[Cards, SeenCards]:
        cache = CardCache(database)
        await cache.open()
        memories.add("cards", cache.forget_all)
        stack.push_async_callback(cache.close)
        workers = self._module_workers()
        opener = CardOpener(cache, lambda: open_card_modules(workers), self.settings.card_access)
        cards = Cards(await asyncio.to_thread(self._open_sources, workers), opener, policy, EventBus())
        cards.on_read = lambda card, exchanges: self._spawn(note_reading(journal, card, exchanges))
        stack.push_async_callback(self._finish_background)
        seen = SeenCards(database)
        memories.add("seenCards", seen.forget)
        for follower in (StateJournal(journal, cards.events), SeenFollower(seen, cards)):
            follower.start()
            stack.push_async_callback(follower.stop)
        stack.callback(cards.stop)
        stack.callback(cards.events.close)
        return cards, seen

    async def _make_sessions(self, cards: Cards, grants: Grants, stack: contextlib.AsyncExitStack) -> PinSessions:
        """PIN sessions, which end when the person goes away, and with the grants of their callers."""
        presence = self._presence or open_presence(sys.platform, os.environ)
        terms = SessionTerms(self.settings.pin_session_minutes, self.settings.pin_session_uses)
        sessions = PinSessions(cards, terms, lambda: presence.available)
        stack.callback(sessions.end_where, SessionEnd.STOPPED)
        stack.callback(grants.subscribe(sessions.follow_grants))
        self._on_away.append(sessions.leave)
        await presence.start(self._leave)
        stack.push_async_callback(presence.stop)
        return sessions

    def _leave(self, reason: AwayReason) -> None:
        for listener in self._on_away:
            listener(reason)

    def _open_sources(self, workers: ModuleWorkers) -> list[Readers]:
        readers = self._readers or self._open_readers()
        return [readers, open_module_tokens(workers)] if workers.named else [readers]

    def _open_readers(self) -> Readers:
        if not self.settings.virtual:
            return open_pcsc_readers(use_pads=self.settings.pin_pads)
        return open_virtual_readers(self.settings.data_dir, self.settings.virtual_kind)

    def _module_workers(self) -> ModuleWorkers:
        return ModuleWorkers(
            named=self.settings.modules,
            command=child_command("_worker"),
            environment=clean_environment(os.environ, MODULES) | NO_DOOR,
        )

    def _choose_prompt(self) -> Prompt:
        if self.settings.unattended:
            return ScriptedPrompt(TEST_PIN, TEST_PUK)
        if self.settings.prompt == "terminal":
            from agent.people.terminal import TerminalPrompt  # noqa: PLC0415 - it brings the words of every question

            return TerminalPrompt(language=self.settings.language)
        if self.settings.prompt == "dialog":
            return DialogPrompt(child_command("_dialog"), language=self.settings.language)
        return RefusingPrompt()

    async def _listen(self, served: Services, stack: contextlib.AsyncExitStack) -> None:
        server = Server(make_app(served))
        await server.start(self.settings.port, self._inherited.http)
        stack.push_async_callback(self._stop_listening, server)
        self.port = server.port
        path = self.settings.data_dir / PORT_FILE
        write_private(path, f"{self.port}\n")
        stack.callback(_remove, path)

    async def _open_local_ports(self, served: Services, stack: contextlib.AsyncExitStack) -> None:
        """Those of services that a file names; without one there are none, and nothing is loaded to find that out."""
        if self.settings.services is not None:
            from agent.api.local_ports import LocalPorts  # noqa: PLC0415

            ports = LocalPorts()
            stack.push_async_callback(ports.close)
            await ports.open(served)

    async def _stop_listening(self, server: Server) -> None:
        if self.succession is not None:
            self.succession.http = server.duplicate_listeners()
            self.succession.add(self.succession.http)
        await server.stop()

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        if sys.platform == "linux":  # not SIGHUP: a terminal that is closed ends the agent that runs in it
            loop.add_signal_handler(signal.SIGUSR1, self.restart)
        for number in {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
            with contextlib.suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends asyncio.run instead
                loop.add_signal_handler(number, self._end)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _finish_background(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)


def _open_directory(settings: Settings, database: Database, stack: contextlib.AsyncExitStack) -> Directory:
    directory = open_directory(settings, database)
    stack.push_async_callback(directory.close)
    return directory


def _application_opener(served: Services, database: Database) -> Callable[[Program, bool], Application]:
    """What begins an application for a program at the door; loaded when the first one comes."""

    @functools.cache
    def open_services() -> DoorServices:
        from agent.door.context import DaemonParts  # noqa: PLC0415

        return DaemonParts(
            served.cards,
            served.uses,
            served.consents,
            served.journal,
            database,
            lambda error: find_problem(error).code,
        ).open_services()

    def open_application(program: Program, modern: bool) -> Application:  # noqa: FBT001 - as Application takes it
        from agent.door.application import Application  # noqa: PLC0415

        return Application(program, open_services(), modern)

    return open_application


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # somebody has put something else there
        path.unlink(missing_ok=True)


async def _prune(grants: Grants) -> None:
    while True:
        await asyncio.sleep(PRUNE_S)
        await grants.prune()
