"""Fuzz every target for a while and keep what was found: `make fuzz ARGS="--seconds 600"`.

Fails on a crash, on an exception that is not the parsers' own, and on an input that takes more than a second of computing.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fuzz.corpus import minimise, read_corpus, write_corpus
from fuzz.targets import TARGETS

AT_ONCE = 2
MAX_INPUT = 4096
HANGING_SECONDS = 20  # by the clock; what is slow is told by the target itself
MEMORY_MB = 1024
DONE = re.compile(r"Done (\d+) runs in")
STATUS = re.compile(r"cov: (\d+) ft: (\d+)")


@dataclass(frozen=True)
class Outcome:
    """What became of a target: inputs tried, edges and features reached, inputs kept, and what it failed on."""

    target: str
    runs: str
    edges: str
    features: str
    kept: int
    faults: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, and print a line for each target."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--only", action="append", choices=TARGETS, help="this target alone (several times)")
    parser.add_argument("--faults", type=Path, default=Path("../build/fuzz"), help="where inputs go that fail")
    chosen = parser.parse_args(arguments)
    chosen.faults.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        work = [pool.submit(fuzz, name, chosen.seconds, chosen.faults) for name in chosen.only or TARGETS]
        outcomes = [each.result() for each in work]
    for each in outcomes:
        sys.stdout.write(
            f"{each.target}: {each.runs} inputs, {each.edges} edges, {each.features} features, {each.kept} kept\n"
        )
        for fault in each.faults:
            sys.stdout.write(f"  FAULT {fault}\n")
    return 1 if any(each.faults for each in outcomes) else 0


def fuzz(name: str, seconds: int, faults: Path) -> Outcome:
    """Fuzz one target in a process of its own, then keep the inputs that reach the most with the least."""
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-") as folder:
        found = Path(folder)
        for number, data in enumerate([*read_corpus(name), *TARGETS[name].seeds()]):
            (found / f"seed-{number}").write_bytes(data)
        said = _run(name, seconds, found, faults)
        inputs = [path.read_bytes() for path in found.iterdir()]
    kept = minimise(TARGETS[name].run, (data for data in inputs if _fault(name, data) is None), TARGETS[name].at_most)
    write_corpus(name, kept)
    runs, status = DONE.search(said), STATUS.findall(said)
    failed = [path for path in sorted(faults.glob(f"{name}-*")) if _fault(name, path.read_bytes())]
    told = [f"{path}: {_fault(name, path.read_bytes())}" for path in failed]
    if not runs and not told:
        told = [f"the fuzzer ended early: {said[-2000:]}"]
    edges, features = status[-1] if status else ("?", "?")
    return Outcome(name, runs[1] if runs else "?", edges, features, len(kept), tuple(told))


def _run(name: str, seconds: int, found: Path, faults: Path) -> str:
    arguments = [
        f"-max_total_time={seconds}", f"-max_len={MAX_INPUT}", f"-timeout={HANGING_SECONDS}", f"-rss_limit_mb={MEMORY_MB}",
        f"-artifact_prefix={faults.resolve()}/{name}-", "-print_final_stats=1", str(found),
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.worker", name, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONHASHSEED": "0"}, text=True, errors="replace",
    )  # fmt: skip
    return done.stdout


def _fault(name: str, data: bytes) -> str | None:
    """What is wrong with how an input is taken, in a few words."""
    try:
        TARGETS[name].check(data)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return f"{type(error).__name__}: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main())
