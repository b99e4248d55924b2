"""Open the door of a run as its settings have it, or run without one and say why."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent.access.errors import StoreError
from agent.access.journal import Journal
from agent.door.address import DoorPaths, DoorUnavailableError, DoorUnwantedError, choose_paths
from agent.door.listening import AddressTakenError
from agent.door.server import DoorServer
from agent.door.visits import DoorState, LeftListener
from agent.servicemanager import ServiceManager
from agent.settings import Settings, usual_data_dir
from agent.succession import Succession

if TYPE_CHECKING:
    from agent.door.connection import Application
    from agent.door.keeper import Keeper
    from agent.door.program import Program

log = logging.getLogger(__name__)


async def open_door(
    settings: Settings,
    open_application: Callable[[Program, bool], Application],
    journal: Journal,
    inherited: Succession,
    manager: ServiceManager | None = None,
) -> DoorServer:
    """A door that listens, or whose `unavailable` says why there is none; the rest of the agent does without."""
    door = DoorServer(open_application, journal, partial(_open_keeper, manager))
    left = _read_left(inherited)
    try:
        await _start(door, settings, left)
    except (DoorUnavailableError, AddressTakenError, StoreError, OSError) as error:
        door.unavailable = str(error)
        level = logging.INFO if isinstance(error, DoorUnwantedError) else logging.WARNING
        log.log(level, "PKCS#11 programs do not reach this agent; not available: %s", error)
    return door


async def close_door(door: DoorServer, succession: Succession | None) -> None:
    """Say goodbye to the programs, or leave them to the next run."""
    if succession is None:
        await door.stop()
        return
    left = await door.suspend()
    succession.door, succession.programs = left.to_json(), {visit.fd for visit in left.visits}
    succession.add(left.descriptors)


async def _start(door: DoorServer, settings: Settings, left: DoorState) -> None:
    try:
        paths = _choose_paths(settings)
    except DoorUnavailableError:
        await door.stay_closed(left)
        raise
    await door.start(paths, left)


def _choose_paths(settings: Settings) -> DoorPaths:
    if not settings.door:
        raise DoorUnwantedError("turned off by the settings")
    return choose_paths(settings.data_dir, usual_data_dir(), os.environ)


def _read_left(inherited: Succession) -> DoorState:
    """What the run before has left, beside the listener and the programs that systemd alone knows of."""
    left = DoorState.from_json(inherited.door, inherited.moved)
    listening = tuple(LeftListener(fd, _find_path(fd), None) for fd in inherited.listening)
    return replace(left, listeners=left.listeners + listening, orphans=tuple(inherited.orphans))


def _find_path(descriptor: int) -> Path:
    with socket.socket(fileno=os.dup(descriptor)) as listening:
        return Path(listening.getsockname())


def _open_keeper(manager: ServiceManager | None) -> Keeper:
    """Who keeps the programs' sockets for the end of the agent."""
    if manager is not None:
        from agent.door.storekeeper import StoreKeeper  # noqa: PLC0415 - many runs of the agent never meet a program

        return StoreKeeper(manager)
    from agent.door.childkeeper import ChildKeeper  # noqa: PLC0415 - as above

    return ChildKeeper()
