"""The databases of Chromium, Chrome and their kin: one that all of them share, and those of snaps and flatpaks."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.modules.surroundings import Surroundings
from agent.modules.values import Form, Kind, Place

OWNER: Final = "Chromium, Chrome"
FOLDERS: Final = {
    "Chromium": "chromium",
    "Chrome": "google-chrome",
    "Chrome Beta": "google-chrome-beta",
    "Chrome Dev": "google-chrome-unstable",
    "Edge": "microsoft-edge",
    "Brave": "BraveSoftware/Brave-Browser",
    "Vivaldi": "vivaldi",
    "Opera": "opera",
}
"""Where each keeps its data, below the configuration folder."""
BOXES: Final = (
    (Form.SNAP, "Chromium", "snap/chromium/current"),
    (Form.SNAP, "Brave", "snap/brave/current"),
    (Form.FLATPAK, "Chromium", ".var/app/org.chromium.Chromium"),
    (Form.FLATPAK, "Chrome", ".var/app/com.google.Chrome"),
    (Form.FLATPAK, "Edge", ".var/app/com.microsoft.Edge"),
    (Form.FLATPAK, "Brave", ".var/app/com.brave.Browser"),
)


def find_databases(where: Surroundings) -> Iterator[Place]:
    """The shared one, whether it is there or not, and those in boxes that are there."""
    yield Place(Kind.CHROMIUM, shared_database(where), Form.SYSTEM, OWNER)
    for form, owner, box in BOXES:
        for name in (".pki/nssdb", "data/pki/nssdb"):
            folder = where.home / box / name
            if folder.is_dir():
                yield Place(Kind.CHROMIUM, folder, form, owner)


def shared_database(where: Surroundings) -> Path:
    """~/.pki/nssdb where it is, else the one below the data folder: the first hides the second."""
    old = where.home / ".pki" / "nssdb"
    return old if old.is_dir() else where.data / "pki" / "nssdb"


def is_installed(where: Surroundings) -> bool:
    """Whether a browser of this kind has been used here, or is installed."""
    used = any((where.config / folder).is_dir() for folder in FOLDERS.values())
    return used or any((where.machine / path).exists() for path in ("usr/bin/chromium", "opt/google/chrome"))


def find_running(where: Surroundings) -> str:
    """The first of these browsers that runs, with its process; "" for none."""
    for name, folder in FOLDERS.items():
        process = _read_lock(where.config / folder / "SingletonLock")
        if process:
            return f"{name}, {process}"
    return ""


def _read_lock(path: Path) -> int:
    """The process that a link `host-process` names, 0 for none: it stays after a crash, and may be another host's."""
    try:
        host, _, process = str(path.readlink()).rpartition("-")
        if host == socket.gethostname() and int(process) > 0:
            os.kill(int(process), 0)
            return int(process)
    except PermissionError:
        return int(process)
    except (OSError, ValueError, OverflowError):
        return 0
    return 0
