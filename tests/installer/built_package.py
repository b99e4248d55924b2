"""The package as installer/linux/package makes it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Built:
    """What the build left in a folder; `unpacked` holds the package's files."""

    frozen: Path
    package: Path
    unpacked: Path

    @property
    def program(self) -> Path:
        """The program as the package installs it."""
        return self.unpacked / "usr/bin/cps-agent"


def build_package(folder: Path) -> Built:
    """Freeze and wrap the project as it stands."""
    _run(PROJECT / "installer/linux/package", folder)
    (package,) = folder.glob("*.deb")
    _run("dpkg-deb", "--extract", package, folder / "unpacked")
    return Built(folder / "cps-agent", package, folder / "unpacked")


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
