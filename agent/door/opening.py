"""Open the door of a run as its settings have it, or run without one and say why."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.access.errors import StoreError
from agent.access.journal import Journal
from agent.door.address import DoorPaths, DoorUnavailableError, choose_paths
from agent.door.listening import AddressTakenError
from agent.door.server import DoorServer
from agent.door.visits import DoorState
from agent.settings import Settings, usual_data_dir
from agent.succession import Succession

if TYPE_CHECKING:
    from agent.door.connection import Application
    from agent.door.program import Program

log = logging.getLogger(__name__)


async def open_door(
    settings: Settings,
    open_application: Callable[[Program, bool], Application],
    journal: Journal,
    inherited: Succession,
) -> DoorServer:
    """A door that listens, or whose `unavailable` says why there is none; the rest of the agent does without."""
    door = DoorServer(open_application, journal)
    try:
        await door.start(_choose_paths(settings), DoorState.from_json(inherited.door))
    except (DoorUnavailableError, AddressTakenError, StoreError, OSError) as error:
        door.unavailable = str(error)
        log.warning("PKCS#11 programs do not reach this agent; not available: %s", error)
    return door


async def close_door(door: DoorServer, succession: Succession | None) -> None:
    """Say goodbye to the programs, or leave them to the next run."""
    if succession is None:
        await door.stop()
    else:
        left = await door.suspend()
        succession.door, succession.descriptors = left.to_json(), left.descriptors


def _choose_paths(settings: Settings) -> DoorPaths:
    if not settings.door:
        raise DoorUnavailableError("turned off by the settings")
    return choose_paths(settings.data_dir, usual_data_dir(), os.environ)
