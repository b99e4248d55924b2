"""Software certificates of a test's data folder, kept by the test itself or through its agent."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from support.agent import RunningAgent
from support.organisations import OrganisationKey, add_key
from support.p12 import pem_file
from support.wrapping import MemoryKeys

from drivers.software.store import SoftwareStore

FOLDER = "software"


def copy_folder(made: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own."""
    return Path(shutil.copytree(made, tmp_path / "data"))


def store_of(folder: Path) -> SoftwareStore:
    """The store of a data folder as another program of the user opens it."""
    return SoftwareStore(folder / FOLDER, MemoryKeys())


def keep(folder: Path, key: OrganisationKey, passphrase: str) -> str:
    """Keep a key before the agent starts, or behind its back. Gives its id."""
    return add_key(store_of(folder), key, passphrase).id


async def take_in(agent: RunningAgent, key: OrganisationKey) -> dict[str, Any]:
    """Import a key through the agent. Gives what it answers."""
    (added,) = await agent.ask(lambda client: client.import_certificate("cabinet.pem", pem_file(key)))
    return added
