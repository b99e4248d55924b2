"""Where things stand for one user, by the environment; everything else of this package takes its paths from here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Folders of the user and of the machine, and the agent's addresses.

    `memory`: the folder where it is remembered what was made. `address`: where the agent of this data folder always
    listens; `common`: where p11-kit-client.so looks by itself, None for a run that does not listen there.
    `machine`: the root of the file system. `is_root`: whether this user is root, whose own files p11-kit does not read.
    `told`: the address that the session's own variable gives to p11-kit-client.so.
    """

    home: Path
    config: Path
    data: Path
    memory: Path
    address: Path
    common: Path | None
    machine: Path = Path("/")
    is_root: bool = False
    told: str = ""


class NoHomeError(Exception):
    """The environment names no home folder of this user; the message says which."""


def find_surroundings(memory: Path, address: Path, common: Path | None, environment: Mapping[str, str]) -> Surroundings:
    """Read the environment as the XDG Base Directory Specification 0.8 has it. Raises NoHomeError.

    A home folder of somebody else (as `sudo` leaves it) is refused: files there would belong to the wrong user, and
    its owner could lead them anywhere by links.
    """
    home = Path(environment.get("HOME", "") or "/nonexistent")
    if not home.is_absolute() or not home.is_dir() or home.stat().st_uid != os.geteuid():
        raise NoHomeError(str(home))
    return Surroundings(
        home=home,
        config=_folder(environment, "XDG_CONFIG_HOME") or home / ".config",
        data=_folder(environment, "XDG_DATA_HOME") or home / ".local" / "share",
        memory=memory.absolute(),
        address=address,
        common=common,
        is_root=os.geteuid() == 0,
        told=environment.get("P11_KIT_SERVER_ADDRESS", ""),
    )


def _folder(environment: Mapping[str, str], name: str) -> Path | None:
    """A variable counts when it holds an absolute path."""
    path = Path(environment.get(name, ""))
    return path if path.is_absolute() else None
