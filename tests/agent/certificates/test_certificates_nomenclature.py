"""The code tables are whole: every code of every table that certificates and cards use, each with a label."""

from __future__ import annotations

from importlib import resources

import pytest

from agent.certificates.nomenclature import find_label, list_labels

NUMBERS = {
    "G01": "00 02 03 80 82 83",
    "G02": "00 01 02 03",
    "G03": "22 23 31",
    "G04": "00 01 02",
    "G05": "A B C D DA DH DM E EA EB EC ED EG EH G H M",
    "G07": "0 1 2 3 4",
    "G08": "0 1 2 3 4 5 6 8 9 10",
    "G15": "10 21 26 28 31 32 35 36 37 38 39 40 50 60 69 70 80 81 82 83 84 85 86 91 92 94 95 96 98",
    "G16": "10 21 40 50",
    "G17": "00 01 04 07",
    "G18": "20 30 40 50 60 91 92 93 94 95 96 97",
    "G20": "05 07 51 61 62 63 64 65 71 94 96 98 99",
}
RANGES = {
    "R01": [
        ("SM", 1, 72),
        ("SCD", 1, 3),
        ("SI", 1, 4),
        ("SCH", 1, 60),
        ("CAPA", 1, 16),
        ("DSM", 200, 240),
        ("PAC", 0, 0),
    ],
    "R02": [("SA", 1, 63)],
    "R03": [("ATTR-", 1, 10)],
}
OTHERS = {"R01": 244, "G09": 112}
"""How many there are of tables with numbers out of any row."""


@pytest.mark.parametrize(("table", "codes"), NUMBERS.items())
def test_tables_of_numbers(table: str, codes: str) -> None:
    assert [code for code in codes.split() if not find_label(table, code)] == []
    assert len(rows(table)) == len(codes.split())


@pytest.mark.parametrize("table", RANGES)
def test_tables_of_ranges(table: str) -> None:
    codes = [f"{prefix}{n:02d}" for prefix, first, last in RANGES[table] for n in range(first, last + 1)]
    assert [code for code in codes if not find_label(table, code)] == []
    assert len(rows(table)) == OTHERS.get(table, len(codes))


def test_no_line_is_lost() -> None:
    assert len(rows("G09")) == OTHERS["G09"]
    text = resources.files("agent.certificates").joinpath("code-tables.tsv").read_text("utf-8")
    lines = [line.split("\t") for line in text.splitlines()]
    assert lines[0] == ["table", "code", "label"]
    assert len({tuple(line[:2]) for line in lines}) == len(lines)
    assert all(len(line) == 3 and line[2].strip() == line[2] != "" for line in lines)
    assert {line[0] for line in lines[1:]} == {*NUMBERS, *RANGES, *OTHERS}


def test_labels() -> None:
    assert find_label("G15", "10") == "Médecin"
    assert find_label("R01", "SM26") == "Qualifié en Médecine Générale (SM)"
    assert find_label("G15", "99") is None
    assert "Pharmacien" in list_labels("G15")


def rows(table: str) -> list[str]:
    text = resources.files("agent.certificates").joinpath("code-tables.tsv").read_text("utf-8")
    return [line for line in text.splitlines() if line.startswith(f"{table}\t")]
