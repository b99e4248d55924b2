"""Libraries and tools that setting up needs, where distributions put them, and the package that has each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from agent.modules.address import Door

FOLDERS: Final = (
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib/arm-linux-gnueabihf",
    "usr/lib/riscv64-linux-gnu",
    "usr/lib/i386-linux-gnu",
    "usr/lib64",
    "usr/lib",
    "usr/local/lib",
    "home/linuxbrew/.linuxbrew/lib",
)
"""Debian and Ubuntu by architecture, Fedora and openSUSE, Arch, built by hand, Homebrew."""


class Library(StrEnum):
    """The two libraries of p11-kit that a program can load: one reaches the agent alone, one everything of p11-kit."""

    CLIENT = "p11-kit-client.so"
    PROXY = "p11-kit-proxy.so"


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that is not installed, and the package of Debian and Ubuntu, of Fedora, of Arch that has it."""

    name: str
    debian: str
    fedora: str
    arch: str


PACKAGES: Final = {
    Library.CLIENT: Missing(Library.CLIENT, "p11-kit-modules", "p11-kit-server", "p11-kit"),
    Library.PROXY: Missing(Library.PROXY, "p11-kit-modules", "p11-kit", "p11-kit"),
    "certutil": Missing("certutil", "libnss3-tools", "nss-tools", "nss"),
    "modutil": Missing("modutil", "libnss3-tools", "nss-tools", "nss"),
}


@dataclass(frozen=True, slots=True)
class Installed:
    """What was found; None for what is not there. `wanted`: which library programs are to load."""

    client: Path | None
    proxy: Path | None
    certutil: Path | None
    modutil: Path | None
    wanted: Library

    @property
    def library(self) -> Path | None:
        """The library that programs are to load."""
        return self.client if self.wanted is Library.CLIENT else self.proxy

    def list_missing(self) -> tuple[Missing, ...]:
        """What has to be installed before everything can be set up."""
        found = {self.wanted: self.library, "certutil": self.certutil, "modutil": self.modutil}
        return tuple(PACKAGES[name] for name, path in found.items() if path is None)


def find_installed(door: Door, machine: Path = Path("/")) -> Installed:
    """Look at the known folders and at PATH.

    The client where it finds this agent by itself: it shows the agent's slots and nothing else. The proxy otherwise:
    it reads the module file with the agent's address, and shows what else p11-kit is set up with too.
    """
    return Installed(
        client=_find(machine, f"pkcs11/{Library.CLIENT}"),
        proxy=_find(machine, Library.PROXY),
        certutil=_tool("certutil"),
        modutil=_tool("modutil"),
        wanted=Library.CLIENT if door.client_finds_it else Library.PROXY,
    )


def _find(machine: Path, name: str) -> Path | None:
    return next((path for path in _places(machine, name) if path.is_file()), None)


def _places(machine: Path, name: str) -> Iterator[Path]:
    return (machine / folder / name for folder in FOLDERS)


def _tool(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None
