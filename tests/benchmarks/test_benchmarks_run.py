"""The benchmarks run and fill every row; how fast anything is, no test says."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.__main__ import FIGURES
from benchmarks.contenders import CONTENDERS, missing_programs
from benchmarks.door import BESIDE
from benchmarks.exchanges import AT_MOST, FOR_A_USE, PAIRS
from benchmarks.gateway import BESIDE as WAYS
from benchmarks.gateway import LOADS
from benchmarks.perceived import QUICK_DELAYS_MS
from benchmarks.table import TITLES, Row, Value, as_json, figure, markdown
from support.pcscd import why_unavailable as why_no_pcscd
from support.softhsm import why_unavailable as why_no_softhsm

TESTS = Path(__file__).parents[1]
ROWS = {
    "exchanges": len(PAIRS),
    "signatures": len(CONTENDERS) - 1,
    "door": 2 * len(BESIDE),
    "starting": 2,
    "memory": 4,
    "waking": 3,
    "perceived": 4 * len(QUICK_DELAYS_MS),
    "signing": 8,
    "batch": 1,
    "gateway": len(WAYS) * len(LOADS),
}


def why_unavailable() -> str | None:
    missing = [*missing_programs(), *(name for name in ("pkcs11-tool",) if not shutil.which(name))]
    return why_no_pcscd() or why_no_softhsm() or (f"not installed: {', '.join(missing)}" if missing else None)


def take(name: str) -> list[dict]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--json", "--only", name],
        cwd=TESTS, capture_output=True, text=True, check=False, timeout=150,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["rows"]


@pytest.mark.skipif(bool(why_unavailable()) and not os.environ.get("CI"), reason=str(why_unavailable()))
@pytest.mark.parametrize("name", FIGURES)
def test_a_quick_run_fills_every_row(name: str) -> None:
    rows = take(name)
    assert len(rows) == ROWS[name]
    for row in rows:
        assert row["theirs"], row
        for value in (*row["ours"], *row["theirs"]):
            assert math.isfinite(value["number"]), row
            assert value["number"] >= 0, row
    if name == "exchanges":
        counts = {row["figure"].partition(": ")[2]: row["ours"][0]["number"] for row in rows}
        assert all(0 < counts[what] <= AT_MOST.get(what, FOR_A_USE) for what, _ in PAIRS), counts


def test_the_table() -> None:
    rows = [
        figure("start", 310.2, "ms", "bare", 155.1, aim="≤ 1.5 times", met=False),
        Row("memory", (Value(56.123, "MB"), Value(0, "MB", "own")), "bare"),
    ]
    lines = markdown(rows).splitlines()
    assert lines[0] == "| " + " | ".join(TITLES) + " |"
    assert lines[2] == "| start | 310 ms | bare: 155 ms | 2.00 | ≤ 1.5 times | **no** |"
    assert lines[3] == "| memory | 56.1 MB, own 0 MB | bare |  |  |  |"
    assert "Python" in lines[-1]
    assert [row["ratio"] for row in json.loads(as_json(rows))["rows"]] == [2.0, None]
