"""Take the figures and print one table: `make bench`, or `python -m benchmarks` from tests/.

Nothing here is a test with a time limit: figures are compared with another program's in the same run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import batch, door, exchanges, gateway, memory, perceived, signatures, signing, starting, waking
from benchmarks.bench import Bench
from benchmarks.table import Row, as_json, markdown

FIGURES: dict[str, Callable[[Bench], list[Row]]] = {
    "exchanges": exchanges.measure,
    "signatures": signatures.measure,
    "door": door.measure,
    "starting": starting.measure,
    "memory": memory.measure,
    "waking": waking.measure,
    "perceived": perceived.measure,
    "signing": signing.measure,
    "batch": batch.measure,
    "gateway": gateway.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Take all figures, or those that are named."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=FIGURES, help="take this figure alone (several times)")
    parser.add_argument("--quick", action="store_true", help="tiny counts: see that it works; the numbers say nothing")
    parser.add_argument("--json", action="store_true", help="print JSON for a program")
    chosen = parser.parse_args(arguments)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # programs start as they are installed: compiled
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # every program that was started is ended on the way out
    with contextlib.suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Path(folder), chosen.quick)
        rows = [row for name, measure in FIGURES.items() if name in (chosen.only or FIGURES) for row in measure(bench)]
        sys.stdout.write((as_json(rows) if chosen.json else markdown(rows)) + "\n")
        return 0
    return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
