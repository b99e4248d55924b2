# ruff: noqa: INP001 - a script of installer/linux/package
"""Write down whose work the frozen folder carries: README with names, versions, licences, and the licences' texts.

Usage: third_party.py FOLDER
"""

from __future__ import annotations

import platform
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

LICENCE_WORDS = ("licen", "copying", "notice")


def main() -> None:
    """Fill the folder."""
    folder = Path(sys.argv[1])
    lines = [f"Python {platform.python_version()}: PSF-2.0, https://www.python.org/"]
    _copy(Path(sysconfig.get_path("stdlib"), "LICENSE.txt"), folder / "Python")
    parts = {part.name: part for part in _closure(Requirement("cps-agent[desktop]"))}
    for part in sorted(parts.values(), key=lambda part: part.name.lower()):
        lines.append(_describe(part))
        for file in part.files or ():
            if ".dist-info" in str(file) and any(word in file.name.lower() for word in LICENCE_WORDS):
                _copy(Path(str(part.locate_file(file))), folder / part.name)
    (folder / "README").write_text("\n".join(lines) + "\n", "utf-8")


def _closure(root: Requirement) -> Iterator[Distribution]:
    """Walk what a requirement brings on this machine, itself apart."""
    waiting, seen = [root], set()
    while waiting:
        wanted = waiting.pop()
        try:
            found = distribution(wanted.name)
        except PackageNotFoundError:  # an extra that was not installed
            continue
        if (found.name, frozenset(wanted.extras)) in seen:
            continue
        seen.add((found.name, frozenset(wanted.extras)))
        if found.name != root.name:
            yield found
        waiting += [need for need in map(Requirement, found.requires or ()) if _applies(need, wanted.extras)]


def _applies(need: Requirement, extras: set[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in {"", *extras})


def _describe(part: Distribution) -> str:
    named = (line.rpartition(" :: ")[2] for line in part.metadata.get_all("Classifier") or () if "License" in line)
    licence = part.metadata["License-Expression"] or ", ".join(named) or part.metadata["License"] or "see its text"
    return f"{part.name} {part.version}: {licence.splitlines()[0]}"


def _copy(text: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(text, folder / text.name)


main()
