"""What systemd's login manager tells of this user's session (org.freedesktop.login1(5)): lock, sleep, switch, end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from agent.people.presence.bus import Bus, BusError, Signal, Target
from agent.people.presence.seam import AwayReason, OnAway

log = logging.getLogger(__name__)

NAME = "org.freedesktop.login1"
MANAGER = Target(NAME, "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
SESSION = "org.freedesktop.login1.Session"
USER = "org.freedesktop.login1.User"
PROPERTIES = "org.freedesktop.DBus.Properties"
GRAPHICAL = frozenset({"x11", "wayland", "mir"})

NO_MANAGER = "systemd-logind does not run here: suspend and user switch would not be told"
NO_SESSION = "no graphical session of this user at a seat of this workstation"


@dataclass(frozen=True, slots=True)
class Process:
    """Whose session is looked for. `session_id`: what XDG_SESSION_ID says, if anything."""

    uid: int
    pid: int
    session_id: str | None


class Logind:
    """The session that this process belongs to or, for one that the user's manager started, the one on the display.

    `reason` says why there is none. Signals count only from the connection that owns logind's name: on the system bus
    any user can send any other a signal.
    """

    def __init__(self, bus: Bus, process: Process, tell: OnAway) -> None:
        self.reason: str | None = NO_MANAGER
        self._bus = bus
        self._process = process
        self._tell = tell
        self._owner: str | None = None
        self._session: str | None = None

    async def start(self) -> None:
        """Listen to the manager, and find the session. Raises BusError."""
        await self._bus.subscribe(NAME, MANAGER.interface)
        await self.find_session()

    async def find_session(self) -> None:
        """Look for the session, anew when the manager is. Raises BusError."""
        self._session, self.reason = None, NO_MANAGER
        self._owner = await self._bus.find_owner(NAME)
        if self._owner is None:
            return
        for ask in (self._by_process, self._by_id, self._by_display):
            path = await _try(ask())
            if path is not None and await self._is_ours(path):
                await self._watch(path)
                return
        self.reason = NO_SESSION

    def take_owner(self, owner: str) -> None:
        """The manager's name has another owner, or none: of the session nothing is known until it is found again."""
        self._owner = owner or None
        self._session, self.reason = None, NO_MANAGER

    def take(self, signal: Signal) -> bool:
        """Tell what a signal means. Gives whether the session has to be looked for."""
        if signal.sender != self._owner:
            return False
        if signal.interface == MANAGER.interface:
            return self._take_manager(signal)
        if self._session is None or signal.path != self._session:
            return False
        if (signal.interface, signal.member) == (SESSION, "Lock"):
            self._tell(AwayReason.LOCKED)
        if (signal.interface, signal.member) == (PROPERTIES, "PropertiesChanged"):
            self._take_properties(signal.body)
        return False

    def _take_manager(self, signal: Signal) -> bool:
        if signal.member == "PrepareForSleep":  # also told on waking up: before may have come too late to be heard
            self._tell(AwayReason.ASLEEP)
        if signal.member == "PrepareForShutdown":
            self._tell(AwayReason.ENDED)
        if signal.member == "SessionRemoved" and self._session in signal.body[1:2]:
            self._session, self.reason = None, NO_SESSION
            self._tell(AwayReason.ENDED)
            return True
        return signal.member == "SessionNew" and self._session is None

    def _take_properties(self, body: tuple[Any, ...]) -> None:
        match body:
            case (str(), dict() as changed, list() as unsaid):
                if "LockedHint" in unsaid or _value(changed, "LockedHint") is True:
                    self._tell(AwayReason.LOCKED)
                if "Active" in unsaid or _value(changed, "Active") is False:
                    self._tell(AwayReason.SWITCHED)
            case _:
                log.warning("logind told something that cannot be understood")

    async def _by_process(self) -> object:
        return await self._bus.call(MANAGER, "GetSessionByPID", "u", self._process.pid)

    async def _by_id(self) -> object:
        if not self._process.session_id:
            return None
        return await self._bus.call(MANAGER, "GetSession", "s", self._process.session_id)

    async def _by_display(self) -> object:
        """A process of the user's manager belongs to no session (systemd.special(7), user@.service)."""
        (user,) = await self._bus.call(MANAGER, "GetUser", "u", self._process.uid)
        got = await self._bus.call(Target(NAME, user, PROPERTIES), "Get", "ss", USER, "Display")
        match got:
            case ((_, (str(), str() as path)),):
                return (path,)
        return None

    async def _is_ours(self, path: str) -> bool:
        """Where it is watched: a screen at a seat, which can be locked and switched away from."""
        try:
            (properties,) = await self._bus.call(Target(NAME, path, PROPERTIES), "GetAll", "s", SESSION)
        except (BusError, ValueError):
            return False
        match [_value(properties, name) for name in ("User", "Type", "Seat", "Class")]:
            case [(int() as uid, str()), str() as kind, (str() as seat, str()), "user"]:
                return uid == self._process.uid and kind in GRAPHICAL and bool(seat)
        return False

    async def _watch(self, path: str) -> None:
        await self._bus.subscribe(NAME, SESSION, path)
        await self._bus.subscribe(NAME, PROPERTIES, path)
        self._session, self.reason = path, None


async def _try(asking: Awaitable[object]) -> str | None:
    """The path that was answered. One way that does not work is no failure of the others."""
    try:
        answer = await asking
    except (BusError, ValueError) as error:
        log.debug("no session found this way: %s", error)
        return None
    match answer:
        case (str() as path,) if path.startswith("/") and path != "/":
            return path
    return None


def _value(properties: object, name: str) -> Any:
    """The value of a property in a dict of variants, None when it is not there."""
    match properties:
        case {**every} if name in every:
            match every[name]:
                case (str(), value):
                    return value
    return None
