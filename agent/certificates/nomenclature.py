"""Labels of the codes that cards and certificates carry (ANS tables, DICO-FR 02.18 of 2020-02-28)."""

from __future__ import annotations

import functools
from importlib import resources

CATEGORIES, PROFESSIONS, FUTURE_PROFESSIONS = "G01", "G15", "G16"
SPECIALITIES, SECTORS = "R01", "R02"


def find_label(table: str, code: str) -> str | None:
    """French label of a code, or None for one that the tables do not hold."""
    return _labels(table).get(code)


def list_labels(table: str) -> frozenset[str]:
    """Every label of a table."""
    return frozenset(_labels(table).values())


@functools.cache
def _labels(table: str) -> dict[str, str]:
    """Labels by code of one table: most of them an agent never needs."""
    text = resources.files(__package__).joinpath("code-tables.tsv").read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line.startswith(f"{table}\t"))
    return {code: label for _, code, label in rows}
