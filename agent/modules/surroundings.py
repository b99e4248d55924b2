"""Where things stand for one user, by the environment; everything else of this package takes its paths from here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Folders of the user and of the machine. `runtime`: $XDG_RUNTIME_DIR, None where the session has none.

    `machine`: the root of the file system. `data_dir`: the agent's data folder, `own_data_dir` whether it is another
    than the user's default one: such a run has a socket of its own there. `is_root`: whether this user is root, whose
    own files p11-kit does not read.
    """

    home: Path
    config: Path
    data: Path
    runtime: Path | None
    data_dir: Path
    own_data_dir: bool = False
    machine: Path = Path("/")
    is_root: bool = False


class NoHomeError(Exception):
    """The environment names no home folder of this user; the message says which."""


def find_surroundings(
    data_dir: Path, default_data_dir: Path, environment: Mapping[str, str], machine: Path = Path("/")
) -> Surroundings:
    """Read the environment as the XDG Base Directory Specification 0.8 has it. Raises NoHomeError.

    A home folder of somebody else (as `sudo` leaves it) is refused: files there would belong to the wrong user, and
    its owner could lead them anywhere by links.
    """
    home = Path(environment.get("HOME", "") or "/nonexistent")
    if not home.is_absolute() or not home.is_dir() or home.stat().st_uid != os.geteuid():
        raise NoHomeError(str(home))
    runtime = _folder(environment, "XDG_RUNTIME_DIR")
    return Surroundings(
        home=home,
        config=_folder(environment, "XDG_CONFIG_HOME") or home / ".config",
        data=_folder(environment, "XDG_DATA_HOME") or home / ".local" / "share",
        runtime=runtime if runtime is not None and runtime.is_dir() else None,
        data_dir=data_dir.absolute(),
        own_data_dir=data_dir.absolute() != default_data_dir.absolute(),
        machine=machine,
        is_root=os.geteuid() == 0,
    )


def _folder(environment: Mapping[str, str], name: str) -> Path | None:
    """A variable counts when it holds an absolute path."""
    path = Path(environment.get(name, ""))
    return path if path.is_absolute() else None
