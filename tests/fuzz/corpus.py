"""The corpus: what is kept of all that a fuzzer found, the shortest inputs that still reach every line and branch."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

FOLDER = Path(__file__).parent / "corpus"
MAX_FILES = 200
MAX_BYTES = 500_000
"""Of all targets together."""
PARTS = tuple(f"{Path(__file__).parents[2] / name}/" for name in ("drivers", "agent"))

Arc = tuple[str, int, int, int]
"""A file, two lines, and how often the step was taken, as a power of two: once, twice, four times…"""


def read_corpus(target: str) -> list[bytes]:
    """The inputs that are kept for a target."""
    return [path.read_bytes() for path in sorted((FOLDER / target).glob("*"))]


def arcs_of(run: Callable[[bytes], None], data: bytes) -> frozenset[Arc]:
    """Every step from line to line within the project while the input is taken. An exception passes."""
    found: Counter[tuple[str, int, int]] = Counter()

    def enter(frame: FrameType, event: str, _: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(PARTS):
            return None
        before = 0

        def step(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal before
            if event == "line":
                found[name, before, frame.f_lineno] += 1
                before = frame.f_lineno
            return step

        return step

    previous = sys.gettrace()
    sys.settrace(enter)
    try:
        run(data)
    finally:
        sys.settrace(previous)
    return frozenset((*arc, count.bit_length()) for arc, count in found.items())


def minimise(run: Callable[[bytes], None], inputs: Iterable[bytes], at_most: int = MAX_FILES) -> list[bytes]:
    """Those inputs, shortest first, that reach something which no shorter one does; `at_most` of them."""
    reached: set[Arc] = set()
    kept = []
    for data in sorted(set(inputs), key=lambda data: (len(data), data)):
        arcs = arcs_of(run, data)
        if not arcs <= reached and len(kept) < at_most:
            reached |= arcs
            kept.append(data)
    return kept


def write_corpus(target: str, inputs: Iterable[bytes]) -> None:
    """Replace what is kept for a target, each input named after its content."""
    folder = FOLDER / target
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for data in inputs:
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
