"""The signals that end PIN sessions, through real buses; logind and the lockers are fakes at the system's seam."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from support.dbus import (
    DEADLINE_S,
    MANAGER,
    MANAGER_PATH,
    SESSION,
    FakeLocker,
    FakeLogind,
    FakeSession,
    PrivateBus,
    Service,
    session_path,
    unique_names,
)
from support.lines import until

from agent.people.presence.linux import LinuxPresence, Whereabouts
from agent.people.presence.lockers import LOCKERS, NO_LOCKER
from agent.people.presence.logind import NO_MANAGER, NO_SESSION
from agent.people.presence.opening import open_presence
from agent.people.presence.seam import AwayReason, NoPresence

AGAIN_S = (0.01,) * 500


class Workstation:
    """Two buses, a logind, a locker, and a presence that listens to them."""

    def __init__(self, folder: Path) -> None:
        (folder / "system").mkdir()
        (folder / "session").mkdir()
        self.system, self.session = PrivateBus(folder / "system"), PrivateBus(folder / "session")
        self.logind, self.locker = FakeLogind(), FakeLocker()
        self.environment = {
            "DBUS_SYSTEM_BUS_ADDRESS": self.system.address,
            "DBUS_SESSION_BUS_ADDRESS": self.session.address,
        }
        self.told: list[AwayReason] = []
        self._news = asyncio.Event()
        self.presence: LinuxPresence | None = None

    async def begin(self) -> LinuxPresence:
        """Listen."""
        where = Whereabouts.of(self.environment, os.getuid(), os.getpid())
        self.presence = LinuxPresence(where, AGAIN_S)
        await self.presence.start(self._hear)
        return self.presence

    def _hear(self, reason: AwayReason) -> None:
        self.told.append(reason)
        self._news.set()

    async def hear(self, reason: AwayReason) -> None:
        """Wait until it was told."""
        async with asyncio.timeout(DEADLINE_S):
            while reason not in self.told:
                self._news.clear()
                await self._news.wait()

    async def close(self) -> None:
        if self.presence is not None:
            await self.presence.stop()
        await self.logind.leave()
        await self.locker.leave()
        self.system.stop()
        self.session.stop()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Workstation]:
    workstation = Workstation(tmp_path)
    workstation.system.start()
    workstation.session.start()
    yield workstation
    await workstation.close()


@pytest.fixture
async def ready(desk: Workstation) -> Workstation:
    await desk.logind.appear(desk.system.address)
    await desk.locker.appear(desk.session.address)
    presence = await desk.begin()
    await until(lambda: presence.available)
    return desk


Cause = Callable[[Workstation], Awaitable[None]]
LOCK, AWAY, ASLEEP, ENDED = AwayReason.LOCKED, AwayReason.SWITCHED, AwayReason.ASLEEP, AwayReason.ENDED
CAUSES: dict[str, tuple[AwayReason, Cause]] = {
    "loginctl lock-session": (LOCK, lambda desk: desk.logind.emit(session_path(1), SESSION, "Lock")),
    "the desktop's hint": (LOCK, lambda desk: desk.logind.change({"LockedHint": ("b", True)})),
    "a hint not said": (LOCK, lambda desk: desk.logind.change({}, ["LockedHint"])),
    "the locker": (LOCK, lambda desk: desk.locker.tell(active=True)),
    "another user in front": (AWAY, lambda desk: desk.logind.change({"Active": ("b", False)})),
    "who is in front not said": (AWAY, lambda desk: desk.logind.change({}, ["Active"])),
    "suspend": (ASLEEP, lambda desk: desk.logind.manager("PrepareForSleep", "b", True)),
    "waking up": (ASLEEP, lambda desk: desk.logind.manager("PrepareForSleep", "b", False)),
    "shutdown": (ENDED, lambda desk: desk.logind.manager("PrepareForShutdown", "b", True)),
    "the session's end": (ENDED, lambda desk: desk.logind.manager("SessionRemoved", "so", "1", session_path(1))),
}


@pytest.mark.parametrize("cause", CAUSES)
async def test_each_way_to_leave_the_desk_is_told(ready: Workstation, cause: str) -> None:
    reason, happen = CAUSES[cause]
    await happen(ready)
    await ready.hear(reason)


QUIET: dict[str, Cause] = {
    "unlocked": lambda desk: desk.logind.change({"LockedHint": ("b", False)}),
    "in front again": lambda desk: desk.logind.change({"Active": ("b", True)}),
    "another property": lambda desk: desk.logind.change({"IdleHint": ("b", True)}),
    "another session locked": lambda desk: desk.logind.emit(session_path(2), SESSION, "Lock"),
    "another session in the back": lambda desk: desk.logind.change({"Active": ("b", False)}, number=2),
    "another session's end": lambda desk: desk.logind.manager("SessionRemoved", "so", "2", session_path(2)),
    "a session's end without a path": lambda desk: desk.logind.manager("SessionRemoved", "s", "1"),
    "a new session": lambda desk: desk.logind.manager("SessionNew", "so", "2", session_path(2)),
    "the screen in use again": lambda desk: desk.locker.tell(active=False),
    "no value": lambda desk: desk.logind.emit(session_path(1), "org.freedesktop.DBus.Properties", "PropertiesChanged"),
    "numbers": lambda desk: desk.logind.emit(
        session_path(1), "org.freedesktop.DBus.Properties", "PropertiesChanged", "uuu", 1, 2, 3
    ),
    "a hint of another type": lambda desk: desk.logind.change({"LockedHint": ("s", "true"), "Active": ("u", 0)}),
    "a locker's word without value": lambda desk: desk.locker.emit(desk.locker.path, desk.locker.name, "ActiveChanged"),
    "a locker's word of another type": lambda desk: desk.locker.emit(
        desk.locker.path, desk.locker.name, "ActiveChanged", "s", "yes"
    ),
}


@pytest.mark.parametrize("cause", QUIET)
async def test_what_is_no_way_to_leave_is_not_told(ready: Workstation, cause: str) -> None:
    """Signals of one sender arrive in order: once the last was told, the others were looked at."""
    await QUIET[cause](ready)
    await ready.locker.tell(active=True)
    await ready.hear(LOCK)
    await ready.logind.manager("PrepareForSleep", "b", True)
    await ready.hear(ASLEEP)
    assert ready.told == [LOCK, ASLEEP]
    assert ready.presence is not None
    assert ready.presence.available


async def test_attack_signals_of_another_connection_do_not_count(ready: Workstation) -> None:
    """On the system bus every user may send any other a signal, and name any interface in it."""
    attacker = Service()
    await attacker.appear(ready.system.address)
    for name in await unique_names(ready.system.address):
        await attacker.emit(MANAGER_PATH, MANAGER, "PrepareForSleep", "b", True, to=name)
        await attacker.emit(session_path(1), SESSION, "Lock", to=name)
        owner = ("org.freedesktop.login1", ":1.0", "")
        bus = ("/org/freedesktop/DBus", "org.freedesktop.DBus")
        await attacker.emit(*bus, "NameOwnerChanged", "sss", *owner, to=name)
    await unique_names(ready.system.address)  # a round through the bus
    await ready.logind.manager("PrepareForShutdown", "b", True)
    await ready.hear(ENDED)
    assert ready.told == [ENDED]
    await attacker.leave()


async def test_a_session_is_found_by_the_environment(desk: Workstation) -> None:
    desk.logind.of_process = None
    desk.logind.sessions[2] = FakeSession(type="x11")
    desk.environment["XDG_SESSION_ID"] = "2"
    await desk.logind.appear(desk.system.address)
    await desk.locker.appear(desk.session.address)
    presence = await desk.begin()
    await until(lambda: presence.available)
    await desk.logind.emit(session_path(2), SESSION, "Lock")
    await desk.hear(LOCK)


async def test_of_several_sessions_the_one_on_the_display_counts(desk: Workstation) -> None:
    """The agent was started by the user's manager, which belongs to none; a terminal and ssh are open beside."""
    desk.logind.of_process, desk.logind.on_display = None, 3
    desk.logind.sessions = {1: FakeSession(type="tty"), 2: FakeSession(seat="", type="tty"), 3: FakeSession()}
    desk.environment["XDG_SESSION_ID"] = "2"
    await desk.logind.appear(desk.system.address)
    await desk.locker.appear(desk.session.address)
    presence = await desk.begin()
    await until(lambda: presence.available)
    await desk.logind.change({"Active": ("b", False)}, number=1)
    await desk.logind.change({"LockedHint": ("b", True)}, number=3)
    await desk.hear(LOCK)
    assert desk.told == [LOCK]


UNSUITABLE = {
    "a terminal, whose screen nobody locks": FakeSession(type="tty"),
    "ssh, or a remote desktop": FakeSession(seat=""),
    "another user's": FakeSession(uid=os.getuid() + 1),
    "the login screen's": FakeSession(kind="greeter"),
}


@pytest.mark.parametrize("session", UNSUITABLE)
async def test_a_session_whose_signals_would_not_do_is_none(desk: Workstation, session: str) -> None:
    desk.logind.sessions = {1: UNSUITABLE[session]}
    await desk.logind.appear(desk.system.address)
    await desk.locker.appear(desk.session.address)
    presence = await desk.begin()
    assert (presence.available, presence.reason) == (False, NO_SESSION)


async def test_the_session_may_begin_after_the_agent(desk: Workstation) -> None:
    desk.logind.of_process, desk.logind.sessions = None, {}
    await desk.logind.appear(desk.system.address)
    await desk.locker.appear(desk.session.address)
    presence = await desk.begin()
    assert presence.reason == NO_SESSION
    desk.logind.on_display, desk.logind.sessions = 4, {4: FakeSession()}
    await desk.logind.manager("SessionNew", "so", "4", session_path(4))
    await until(lambda: presence.available)
    assert desk.told == []


async def test_after_the_sessions_end_the_next_one_is_found(ready: Workstation) -> None:
    assert ready.presence is not None
    ready.logind.of_process, ready.logind.on_display = None, 2
    ready.logind.sessions = {2: FakeSession()}
    await ready.logind.manager("SessionRemoved", "so", "1", session_path(1))
    await ready.hear(ENDED)
    await until(lambda: ready.presence is not None and ready.presence.available)
    await ready.logind.emit(session_path(2), SESSION, "Lock")
    await ready.hear(LOCK)


async def test_without_buses_there_is_nothing(tmp_path: Path) -> None:
    nowhere = f"unix:path={tmp_path / 'none'}"
    addresses = {"DBUS_SYSTEM_BUS_ADDRESS": nowhere, "DBUS_SESSION_BUS_ADDRESS": nowhere}
    told: list[AwayReason] = []
    presence = open_presence("linux", addresses)
    assert not presence.available
    await presence.start(told.append)
    assert not presence.available
    assert "no bus" in (presence.reason or "")
    await presence.stop()
    assert told == []


@pytest.mark.parametrize(
    "address", ["", "nonsense", "tcp:host=localhost,port=1", "unix:", "autolaunch:", "unix:dir=/x"]
)
async def test_an_address_that_leads_nowhere_is_no_bus(desk: Workstation, address: str) -> None:
    desk.environment["DBUS_SESSION_BUS_ADDRESS"] = address or "unix:abstract=cps-agent-nowhere"
    await desk.logind.appear(desk.system.address)
    presence = await desk.begin()
    assert "no bus" in (presence.reason or "")


@pytest.mark.parametrize("word", [b"", b"REJECTED ANONYMOUS\r\n", b"OK 1234\r\nl\x02", b"OK 1234\r\n"])
async def test_attack_a_bus_that_talks_nonsense_is_none(desk: Workstation, tmp_path: Path, word: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(word)
        if word == b"OK 1234\r\n":
            await reader.read(100)
            writer.write(b"\xff" * 64)
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, tmp_path / "liar")
    desk.environment["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={tmp_path / 'liar'}"
    presence = await desk.begin()
    assert presence.reason is not None
    assert desk.told == []
    server.close()
    await server.wait_closed()


async def test_without_logind_suspend_would_not_be_told(desk: Workstation) -> None:
    await desk.locker.appear(desk.session.address)
    presence = await desk.begin()
    assert presence.reason == NO_MANAGER


async def test_without_a_locker_a_locked_screen_would_not_be_told(desk: Workstation) -> None:
    await desk.logind.appear(desk.system.address)
    presence = await desk.begin()
    assert presence.reason == NO_LOCKER


@pytest.mark.parametrize("name", LOCKERS)
async def test_the_lockers_of_the_desktops_are_known(desk: Workstation, name: str) -> None:
    """Also one that starts after the agent, as the desktop's parts do in any order."""
    desk.locker = FakeLocker(name)
    await desk.logind.appear(desk.system.address)
    presence = await desk.begin()
    assert not presence.available
    await desk.locker.appear(desk.session.address)
    await until(lambda: presence.available)
    await desk.locker.tell(active=True)
    await desk.hear(LOCK)


async def test_who_owns_a_lockers_name_for_something_else_is_none(desk: Workstation) -> None:
    """gsd-screensaver-proxy and xscreensaver-systemd take calls to keep the screen on, and signal nothing."""
    desk.locker = FakeLocker("org.freedesktop.ScreenSaver", answers=False)
    await desk.locker.appear(desk.session.address)
    await desk.logind.appear(desk.system.address)
    presence = await desk.begin()
    await until(lambda: "GetActive" in desk.locker.called)
    assert presence.reason == NO_LOCKER


async def test_a_locker_that_ends_takes_the_sessions_with_it(ready: Workstation) -> None:
    presence = ready.presence
    assert presence is not None
    await ready.locker.leave()
    await ready.hear(AwayReason.LOST)
    assert presence.reason == NO_LOCKER
    await ready.locker.appear(ready.session.address)
    await until(lambda: presence.available)
    await ready.locker.tell(active=True)
    await ready.hear(LOCK)
    assert ready.told == [AwayReason.LOST, LOCK]


async def test_a_logind_that_restarts_is_found_again(ready: Workstation) -> None:
    presence = ready.presence
    assert presence is not None
    await ready.logind.leave()
    await ready.hear(AwayReason.LOST)
    assert presence.reason == NO_MANAGER
    await ready.logind.appear(ready.system.address)
    await until(lambda: presence.available)
    await ready.logind.emit(session_path(1), SESSION, "Lock")
    await ready.hear(LOCK)
    assert ready.told == [AwayReason.LOST, LOCK]


@pytest.mark.parametrize("which", ["system", "session"])
async def test_a_bus_that_ends_ends_the_sessions_and_is_found_again(ready: Workstation, which: str) -> None:
    presence, bus = ready.presence, getattr(ready, which)
    assert presence is not None
    bus.stop()
    await ready.hear(AwayReason.LOST)
    assert not presence.available
    service = ready.logind if which == "system" else ready.locker
    await service.leave()
    bus.start()
    await service.appear(bus.address)
    await until(lambda: presence.available)
    await ready.logind.emit(session_path(1), SESSION, "Lock")
    await ready.hear(LOCK)
    assert ready.told == [AwayReason.LOST, LOCK]


async def test_once_stopped_nothing_is_told_and_nobody_is_left_on_the_buses(ready: Workstation) -> None:
    assert ready.presence is not None
    await ready.presence.stop()
    assert len(await unique_names(ready.system.address)) == 1
    assert len(await unique_names(ready.session.address)) == 1
    assert not ready.presence.available
    assert ready.told == []


async def test_nothing_runs_while_nothing_is_signalled(ready: Workstation) -> None:
    """No timer is set: the loop sleeps on its sockets."""
    loop = asyncio.get_running_loop()
    assert [handle for handle in loop._scheduled if not handle.cancelled()] == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("platform", ["win32", "darwin", "freebsd14"])
async def test_elsewhere_it_says_why_there_is_none(platform: str) -> None:
    presence = open_presence(platform, {})
    assert isinstance(presence, NoPresence)
    await presence.start(lambda _: None)
    assert not presence.available
    assert platform in (presence.reason or "")
    await presence.stop()
