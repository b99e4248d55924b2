"""What the desktop's screen lockers tell on the session bus: each of the known ones by its own name."""

from __future__ import annotations

import logging

from agent.people.presence.bus import Bus, BusError, Signal, Target
from agent.people.presence.seam import AwayReason, OnAway

log = logging.getLogger(__name__)

LOCKERS = {
    "org.freedesktop.ScreenSaver": "/org/freedesktop/ScreenSaver",  # KDE
    "org.gnome.ScreenSaver": "/org/gnome/ScreenSaver",
    "org.mate.ScreenSaver": "/org/mate/ScreenSaver",
    "org.cinnamon.ScreenSaver": "/org/cinnamon/ScreenSaver",
    "org.xfce.ScreenSaver": "/org/xfce/ScreenSaver",
}
"""Name, which is that of the interface too, and object. All have GetActive and ActiveChanged(b)."""

NO_LOCKER = "no screen locker of the desktop tells when the screen is locked"


class Lockers:
    """The lockers that run.

    One counts once it has answered GetActive: others own such a name only to hold the screen on (gsd-screensaver-proxy,
    xscreensaver-systemd) and signal nothing.
    """

    def __init__(self, bus: Bus, tell: OnAway) -> None:
        self._bus = bus
        self._tell = tell
        self._owners: dict[str, str] = {}

    @property
    def reason(self) -> str | None:
        """Why a locked screen would not be told, None when it would."""
        return None if self._owners else NO_LOCKER

    async def start(self) -> None:
        """Listen to all of them. Raises BusError."""
        for name in LOCKERS:
            await self._bus.subscribe(name, name)
            await self.probe(name)

    async def probe(self, name: str) -> None:
        """Ask the owner of a name whether it is a locker."""
        self._owners.pop(name, None)
        owner = await self._bus.find_owner(name)
        if owner is None:
            return
        try:
            answer = await self._bus.call(Target(owner, LOCKERS[name], name), "GetActive")
        except BusError as error:
            log.debug("%s is no locker: %s", name, error)
            return
        if len(answer) == 1 and isinstance(answer[0], bool):
            self._owners[name] = owner

    def take_owner(self, name: str) -> None:
        """A name has another owner, or none."""
        self._owners.pop(name, None)

    def take(self, signal: Signal) -> None:
        """Tell of a screen that is locked; one that is opened again brings nobody's session back."""
        known = self._owners.get(signal.interface) == signal.sender
        if known and signal.member == "ActiveChanged" and signal.body == (True,):
            self._tell(AwayReason.LOCKED)
