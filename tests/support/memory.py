"""Look for a code in the memory of a process; only root may, in one that forbids it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivers.virtual.store import open_card

PIECE = 1 << 20


def random_code() -> str:
    """Eight digits that nothing else in a process is likely to hold: no date, no run of one digit."""
    return f"{random.SystemRandom().randrange(31_000_000, 89_999_999):08}"


def search_memory(pid: int, needles: list[bytes]) -> list[str]:
    """Where in the process's memory one of these stands."""
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_, name = [*line.split(maxsplit=5), ""][:6] if len(line.split()) > 5 else [*line.split(), ""]
            start, end = (int(part, 16) for part in span.split("-"))
            if not rights.startswith("r") or name.startswith("[v"):
                continue
            found += [f"{name or 'anonymous'} at {at:x}" for at in search_span(memory, start, end, needles)]
    return found


def search_span(memory: Any, start: int, end: int, needles: list[bytes]) -> Iterator[int]:
    tail = b""
    position = start
    while position < end:
        try:
            memory.seek(position)
            piece = memory.read(min(PIECE, end - position))
        except (OSError, ValueError, OverflowError):
            return
        if not piece:
            return
        block = tail + piece
        yield from (position - len(tail) + at for needle in needles if (at := block.find(needle)) >= 0)
        tail = block[-32:]
        position += len(piece)


def needles(code: str) -> list[bytes]:
    """The digits as bytes, as UTF-16 (what a window toolkit keeps) and as UCS-4; not as numbers of a list."""
    return [code.encode(), code.encode("utf-16-le"), code.encode("utf-32-le")]


def make_card_with_code(folder: Path, code: str) -> None:
    """A virtual card in a data folder, with a code of its own."""
    with contextlib.closing(open_card(folder)) as card:
        codes = card._memory.codes
        card._memory.save_codes(replace(codes, pin=replace(codes.pin, digits=code)))
