"""A code that was used is nowhere in the agent's memory; the processes that had it have ended; no core dump holds it."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.agent import NONCE
from support.display import find_missing_tools
from support.pcscd import why_unavailable
from support.waiting import wait_until
from support.windows import Workstation, read_answer, workstation

from drivers.virtual.store import open_card

MISSING = [*find_missing_tools(), *filter(None, [why_unavailable()])]
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=f"needs {', '.join(MISSING)}")
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of a process that forbids it")

ORIGIN = "https://dmp.example"
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


def search_span(memory, start: int, end: int, needles: list[bytes]) -> Iterator[int]:
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


@pytest.fixture(scope="module")
def code() -> str:
    return random_code()


@pytest.fixture(scope="module")
def desk(made_folder: Path, tmp_path_factory: pytest.TempPathFactory, code: str) -> Iterator[Workstation]:
    made = Path(shutil.copytree(made_folder, tmp_path_factory.mktemp("made") / "data"))
    with contextlib.closing(open_card(made)) as card:
        codes = card._memory.codes
        card._memory.save_codes(replace(codes, pin=replace(codes.pin, digits=code)))
    with workstation(made, tmp_path_factory.mktemp("desk") / "data") as running:
        yield running
    shutil.rmtree(made)


def type_code(desk: Workstation, code: str) -> None:
    desk.window("CPS code")
    desk.screen.type_text(code)
    desk.screen.press("Return")


def consent(desk: Workstation) -> None:
    with desk.page("POST /v1/grants", {"abilities": ["identity", "authenticate", "sign"]}, ORIGIN) as line:
        desk.window("CPS consent")
        desk.screen.press("shift+Tab", "space")
        assert read_answer(line)[0] == 201


def needles(code: str) -> list[bytes]:
    """The digits as bytes, as UTF-16 (what a window toolkit keeps) and as UCS-4; not as numbers of a list."""
    return [code.encode(), code.encode("utf-16-le"), code.encode("utf-32-le")]


@only_root
def test_the_search_finds_what_is_there(code: str) -> None:
    here = bytearray(f"<{code}>", "ascii")
    assert search_memory(os.getpid(), [bytes(here[1:-1])])


@only_root
def test_attack_a_used_code_is_nowhere_in_the_agent(desk: Workstation, code: str) -> None:
    consent(desk)
    with desk.page("POST /v1/authentications", {"format": "web-eid:1.0", "challengeNonce": NONCE}, ORIGIN) as line:
        type_code(desk, code)
        assert read_answer(line)[0] == 200
    wait_until(lambda: not desk.children, "the end of the dialog that had the code")
    assert search_memory(desk.daemon_pid, needles(code)) == []


@only_root
def test_attack_a_code_that_was_changed_is_nowhere_in_the_agent(desk: Workstation, code: str) -> None:
    other = random_code()
    with desk.page("POST /v1/pin/change", {}, ORIGIN) as line:
        desk.window("CPS code")
        for digits in (code, other, other):
            desk.screen.type_text(digits)
            desk.screen.press("Return")
        assert read_answer(line)[0] == 200
    wait_until(lambda: not desk.children, "the end of the dialog that had the codes")
    assert search_memory(desk.daemon_pid, needles(code) + needles(other)) == []


def test_attack_no_process_with_a_code_leaves_a_core_dump(desk: Workstation) -> None:
    with desk.page("POST /v1/pin/verify", {}, ORIGIN):
        desk.window("CPS code")
        (dialog,) = desk.children
        for pid in (desk.daemon_pid, dialog):
            assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
    wait_until(lambda: not desk.windows, "no window")
