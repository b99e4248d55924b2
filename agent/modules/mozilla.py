"""Profiles of Firefox, Thunderbird and their kin, also those in a snap or a flatpak, and who has one open."""

from __future__ import annotations

import configparser
import os
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from agent.modules.files import read_text
from agent.modules.nss import CERTIFICATES_FILE
from agent.modules.surroundings import Surroundings
from agent.modules.values import Form, Kind, ModulesError, Place

if sys.platform != "win32":
    import fcntl

MAX_PROFILES: Final = 64  # of one program
PROFILES_FILE: Final = "profiles.ini"
LOCK_FILE: Final = ".parentlock"
FLOCK: Final = "hhqqi4x"  # struct flock of Linux with 64-bit offsets: type, whence, start, length, process


@dataclass(frozen=True, slots=True)
class Root:
    """A folder of profiles, from the home folder, or from the configuration folder where it begins with .config."""

    kind: Kind
    form: Form
    owner: str
    folder: str


ROOTS: Final = (
    Root(Kind.FIREFOX, Form.SYSTEM, "Firefox", ".mozilla/firefox"),
    Root(Kind.FIREFOX, Form.SYSTEM, "Firefox", ".config/mozilla/firefox"),
    Root(Kind.FIREFOX, Form.SYSTEM, "LibreWolf", ".librewolf"),
    Root(Kind.FIREFOX, Form.SYSTEM, "LibreWolf", ".config/librewolf/librewolf"),
    Root(Kind.FIREFOX, Form.SYSTEM, "Waterfox", ".waterfox"),
    Root(Kind.FIREFOX, Form.SNAP, "Firefox", "snap/firefox/common/.mozilla/firefox"),
    Root(Kind.FIREFOX, Form.FLATPAK, "Firefox", ".var/app/org.mozilla.firefox/.mozilla/firefox"),
    Root(Kind.FIREFOX, Form.FLATPAK, "Firefox", ".var/app/org.mozilla.firefox/config/mozilla/firefox"),
    Root(Kind.FIREFOX, Form.FLATPAK, "LibreWolf", ".var/app/io.gitlab.librewolf-community/.librewolf"),
    Root(Kind.THUNDERBIRD, Form.SYSTEM, "Thunderbird", ".thunderbird"),
    Root(Kind.THUNDERBIRD, Form.SNAP, "Thunderbird", "snap/thunderbird/common/.thunderbird"),
    Root(Kind.THUNDERBIRD, Form.FLATPAK, "Thunderbird", ".var/app/org.mozilla.Thunderbird/.thunderbird"),
    Root(Kind.THUNDERBIRD, Form.FLATPAK, "Thunderbird", ".var/app/org.mozilla.thunderbird/.thunderbird"),
)


def find_profiles(where: Surroundings) -> Iterator[Place]:
    """Every profile once: those that profiles.ini names, wherever they are, and folders beside it with a database."""
    known: set[Path] = set()
    for root in ROOTS:
        folder = _place(where, root.folder)
        own = (path for path in (*_found(folder), *_named(folder)) if _is_own_folder(path))
        for profile in islice(own, MAX_PROFILES):
            if profile.resolve() not in known:
                known.add(profile.resolve())
                yield Place(root.kind, profile, root.form, root.owner)


def find_running(profile: Path) -> str:
    """The process that has the profile open, by the lock that it holds; "" for none. The lock is not taken.

    The link `lock` beside it tells nothing: it stays after a crash.
    """
    if sys.platform == "win32":
        return ""
    try:
        with (profile / LOCK_FILE).open("rb") as file:
            asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, process = struct.unpack(FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except OSError:
        return ""
    return "" if kind == fcntl.F_UNLCK else str(process)


def _place(where: Surroundings, folder: str) -> Path:
    below = folder.removeprefix(".config/")
    return where.home / folder if below == folder else where.config / below


def _named(folder: Path) -> Iterator[Path]:
    """What profiles.ini names. Whatever else stands in it, and in a damaged one, names nothing."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(read_text(folder / PROFILES_FILE) or "")
        sections = [dict(parser[name]) for name in parser.sections() if name.startswith("Profile")]
    except (ModulesError, configparser.Error):
        return
    for section in sections[:MAX_PROFILES]:
        path = section.get("path", "")
        if path and "\0" not in path:
            yield folder / path


def _found(folder: Path) -> Iterator[Path]:
    try:
        yield from (path.parent for path in sorted(folder.glob(f"*/{CERTIFICATES_FILE}")))
    except OSError:
        return


def _is_own_folder(path: Path) -> bool:
    """Whether it is this user's own: profiles.ini may name any path."""
    try:
        return path.is_dir() and path.stat().st_uid == os.geteuid()
    except OSError:
        return False
