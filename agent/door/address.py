"""Which sockets a run of the agent offers to PKCS#11 programs (unix(7), XDG Base Directory Specification)."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SOCKET_NAME: Final = "p11-kit.sock"
MAX_PATH_BYTES: Final = 107
"""What `sun_path` holds besides its NUL."""


class DoorUnavailableError(Exception):
    """There can be no door here; the message says why, after "not available: "."""


class DoorUnwantedError(DoorUnavailableError):
    """There is to be none here, or none is written for this system: nothing that anybody has to mend."""


@dataclass(frozen=True, slots=True)
class DoorPaths:
    """`own`: the agent's address, always served; `common`: where p11-kit-client looks by itself, served when free."""

    own: Path
    common: Path | None = None


def choose_paths(data_dir: Path, usual_dir: Path, environment: Mapping[str, str]) -> DoorPaths:
    """Choose by the folder of this run: one that is not the user's usual one has its socket inside, and no other.

    Raises DoorUnavailableError.
    """
    if sys.platform != "linux":
        raise DoorUnwantedError(f"nobody has written it for {sys.platform}")
    runtime = find_runtime_folder(environment) if data_dir == usual_dir else None
    paths = DoorPaths(data_dir.absolute() / SOCKET_NAME)
    if runtime is not None:
        paths = DoorPaths(runtime / "cps-agent" / SOCKET_NAME, runtime / "p11-kit" / "pkcs11")
    if len(os.fsencode(paths.own)) > MAX_PATH_BYTES:
        raise DoorUnavailableError(f"the path {paths.own} is longer than a socket's can be ({MAX_PATH_BYTES} bytes)")
    return paths


def find_runtime_folder(environment: Mapping[str, str]) -> Path | None:
    """The folder of this user's session; None where there is none, or where `su` has left somebody else's."""
    folder = Path(environment.get("XDG_RUNTIME_DIR", ""))
    try:
        status = folder.stat()
    except (OSError, ValueError):
        return None
    own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
    return folder if folder.is_absolute() and own else None
