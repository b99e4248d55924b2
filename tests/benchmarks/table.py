"""Rows of the table of figures, as markdown and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

TITLES = ("figure", "ours", "beside", "ratio", "aim", "met")


@dataclass(frozen=True, slots=True)
class Value:
    """A number with its unit; the first value of a cell is the one that ratios are made of."""

    number: float
    unit: str
    label: str = ""

    def __str__(self) -> str:
        return f"{self.label} {_shorten(self.number)} {self.unit}".strip()


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: ours, and the same of a program beside. `met` None: no aim, or nothing to compare it with."""

    figure: str
    ours: tuple[Value, ...]
    beside: str = ""
    theirs: tuple[Value, ...] = ()
    aim: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        """Ours to theirs."""
        return self.ours[0].number / self.theirs[0].number if self.theirs and self.theirs[0].number else None

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        beside = f"{self.beside}: {_join(self.theirs)}" if self.theirs else self.beside
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return (
            self.figure,
            _join(self.ours),
            beside,
            ratio,
            self.aim,
            {None: "", True: "yes", False: "**no**"}[self.met],
        )

    def to_json(self) -> dict[str, Any]:
        """The row for a program."""
        return {**asdict(self), "ratio": self.ratio}


def figure(
    name: str,
    ours: float,
    unit: str,
    beside: str = "",
    theirs: float | None = None,
    *,
    aim: str = "",
    met: bool | None = None,
) -> Row:
    """A row of one number on each side."""
    return Row(name, (Value(ours, unit),), beside, () if theirs is None else (Value(theirs, unit),), aim, met)


def markdown(rows: Sequence[Row]) -> str:
    """The table, and the machine that it is of."""
    lines = ["| " + " | ".join(TITLES) + " |", "|" + "---|" * len(TITLES)]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in rows]
    return "\n".join([*lines, "", machine()])


def as_json(rows: Sequence[Row]) -> str:
    """All of it for a program."""
    return json.dumps({"machine": machine(), "rows": [row.to_json() for row in rows]}, ensure_ascii=False, indent=2)


def machine() -> str:
    """What the figures were taken on."""
    release = Path("/etc/debian_version")
    debian = f"Debian {release.read_text().strip()}" if release.exists() else platform.system()
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {debian}, load {load:.1f}"
    )


def _join(values: Sequence[Value]) -> str:
    return ", ".join(map(str, values))


def _shorten(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 100 or number == int(number) else f"{number:.3g}"
