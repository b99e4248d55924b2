"""Labels of the codes that cards and certificates carry (ANS tables, DICO-FR 02.18 of 2020-02-28)."""

from __future__ import annotations

import functools
from importlib import resources

CATEGORIES, PROFESSIONS, FUTURE_PROFESSIONS = "G01", "G15", "G16"
SPECIALITIES, SECTORS = "R01", "R02"


def find_label(table: str, code: str) -> str | None:
    """French label of a code, or None for one that the tables do not hold."""
    return _tables().get((table, code))


@functools.cache
def list_labels(table: str) -> frozenset[str]:
    """Every label of a table."""
    return frozenset(label for (name, _), label in _tables().items() if name == table)


@functools.cache
def _tables() -> dict[tuple[str, str], str]:
    text = resources.files(__package__).joinpath("code-tables.tsv").read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines()[1:])
    return {(table, code): label for table, code, label in rows}
