"""Presence on Linux: systemd-logind on the system bus, the desktop's locker on the session bus."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from agent.people.presence.bus import BUS, Bus, BusError, Signal
from agent.people.presence.lockers import LOCKERS, Lockers
from agent.people.presence.logind import NAME as LOGIND
from agent.people.presence.logind import Logind, Process
from agent.people.presence.seam import AwayReason, OnAway, Presence

log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]

SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
START_TIMEOUT_S = 10.0
AGAIN_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""A bus that was there and went away is tried again so many times; one that never was is not waited for."""

NOT_STARTED = "the signals of the workstation are not listened to"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where the buses are, and whose session is meant."""

    system_bus: str
    session_bus: str
    process: Process

    @classmethod
    def of(cls, environment: Mapping[str, str], uid: int, pid: int) -> Whereabouts:
        """Read the environment, with the defaults of systemd."""
        return cls(
            environment.get("DBUS_SYSTEM_BUS_ADDRESS") or SYSTEM_BUS,
            environment.get("DBUS_SESSION_BUS_ADDRESS") or f"unix:path=/run/user/{uid}/bus",
            Process(uid, pid, environment.get("XDG_SESSION_ID")),
        )


class LinuxPresence(Presence):
    """Both buses together: when one of them is lost, both are taken up anew."""

    def __init__(self, where: Whereabouts, again_s: tuple[float, ...] = AGAIN_S) -> None:
        self._where = where
        self._again_s = again_s
        self._on_away: OnAway | None = None
        self._broken: str | None = NOT_STARTED
        self.reason = NOT_STARTED
        self._buses: list[Bus] = []
        self._logind: Logind | None = None
        self._lockers: Lockers | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking = asyncio.Lock()

    async def start(self, on_away: OnAway) -> None:
        """See Presence."""
        self._on_away = on_away
        await self._connect()

    async def stop(self) -> None:
        """See Presence."""
        self._on_away = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._disconnect()
        self._broken = NOT_STARTED
        self._note()

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_S), self._looking:
                await self._listen()
        except (BusError, TimeoutError) as error:
            await self._disconnect()
            self._broken = str(error) or "the buses do not answer"
        else:
            self._broken = None
        self._note()

    async def _listen(self) -> None:
        system = await self._open(self._where.system_bus)
        await system.subscribe(BUS, BUS, argument=LOGIND)
        self._logind = Logind(system, self._where.process, self._tell)
        await self._logind.start()
        session = await self._open(self._where.session_bus)
        for name in LOCKERS:
            await session.subscribe(BUS, BUS, argument=name)
        self._lockers = Lockers(session, self._tell)
        await self._lockers.start()
        if any(bus.lost for bus in self._buses):
            raise BusError("a D-Bus bus is gone")

    async def _open(self, address: str) -> Bus:
        bus = await Bus.connect(address, self._take, self._lose)
        self._buses.append(bus)
        return bus

    async def _disconnect(self) -> None:
        buses, self._buses = self._buses, []
        self._logind = self._lockers = None
        for bus in buses:
            await bus.close()

    def _lose(self) -> None:
        """A bus is gone. While it is taken up for the first time, whoever does that notices by itself."""
        if self._broken is None:
            self._broken = "a D-Bus bus is gone"
            self._note()
            self._spawn(self._connect_again)

    async def _connect_again(self) -> None:
        await self._disconnect()
        for wait_s in self._again_s:
            await asyncio.sleep(wait_s)
            await self._connect()
            if self._broken is None:
                return

    def _take(self, signal: Signal) -> None:
        if signal.sender == BUS:
            self._take_owner(signal)
        if self._logind is not None and self._logind.take(signal):
            self._spawn(self._find_session)
        if self._lockers is not None:
            self._lockers.take(signal)
        self._note()

    def _take_owner(self, signal: Signal) -> None:
        match signal.member, signal.body:
            case "NameOwnerChanged", (str() as name, str(), str() as owner):
                if name == LOGIND and self._logind is not None:
                    self._logind.take_owner(owner)
                    self._spawn(self._find_session)
                if name in LOCKERS and self._lockers is not None:
                    self._lockers.take_owner(name)
                    self._spawn(functools.partial(self._probe, name))

    async def _find_session(self) -> None:
        async with self._looking:
            if self._logind is not None:
                await self._logind.find_session()

    async def _probe(self, name: str) -> None:
        async with self._looking:
            if self._lockers is not None:
                await self._lockers.probe(name)

    def _spawn(self, work: Work) -> None:
        task = asyncio.get_running_loop().create_task(self._quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, work: Work) -> None:
        with contextlib.suppress(BusError):  # a bus that is gone is told apart
            await work()
        self._note()

    def _note(self) -> None:
        """Judge what can be received now, and say so when it is not everything any more."""
        self.reason = self._judge()
        before, self.available = self.available, self.reason is None
        if before and not self.available:
            log.warning("PIN sessions end: %s", self.reason)
            self._tell(AwayReason.LOST)

    def _judge(self) -> str | None:
        if self._broken is not None or self._logind is None or self._lockers is None:
            return self._broken
        return self._logind.reason or self._lockers.reason

    def _tell(self, reason: AwayReason) -> None:
        if self._on_away is not None:
            self._on_away(reason)
