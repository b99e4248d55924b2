"""A code that was used is nowhere in the agent's memory; the processes that had it have ended; no core dump holds it."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent import NONCE
from support.display import find_missing_tools
from support.memory import make_card_with_code, needles, random_code, search_memory
from support.pcscd import why_unavailable
from support.waiting import wait_until
from support.windows import Workstation, read_answer, workstation

from drivers.virtual.personalisation import DEFAULT

MISSING = [*find_missing_tools(), *filter(None, [why_unavailable()])]
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=f"needs {', '.join(MISSING)}")
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of a process that forbids it")

ORIGIN = "https://dmp.example"


@pytest.fixture(scope="module")
def code() -> str:
    return random_code()


@pytest.fixture(scope="module")
def desk(made_folder: Path, tmp_path_factory: pytest.TempPathFactory, code: str) -> Iterator[Workstation]:
    made = Path(shutil.copytree(made_folder, tmp_path_factory.mktemp("made") / "data"))
    make_card_with_code(made, code)
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
    with desk.page(f"POST /v1/cards/{DEFAULT.serial}/situations", {}, ORIGIN) as line:
        type_code(desk, code)
        assert read_answer(line)[0] == 200
    wait_until(lambda: not desk.dialogs, "the end of the dialogs that had the code")
    assert search_memory(desk.daemon_pid, needles(code)) == []


@only_root
def test_attack_a_code_is_in_neither_process_that_has_signed_documents(desk: Workstation, code: str) -> None:
    """The worker, which reads documents of anybody, is never told it; it rests when the dialog has ended."""
    documents = [{"name": "a.xml", "content": "PGEvPg=="}, {"name": "b.xml", "content": "PGIvPg=="}]
    with desk.page("POST /v1/signatures", {"format": "xades", "documents": documents}, ORIGIN) as line:
        type_code(desk, code)
        assert read_answer(line)[0] == 200
    wait_until(lambda: not desk.dialogs, "the end of the dialog that had the code")
    (worker,) = desk.writers
    for pid in (desk.daemon_pid, worker):
        assert search_memory(pid, needles(code)) == []


@only_root
def test_attack_a_code_that_was_changed_is_nowhere_in_the_agent(desk: Workstation, code: str) -> None:
    other = random_code()
    with desk.page("POST /v1/pin/change", {}, ORIGIN) as line:
        desk.window("CPS code")
        for digits in (code, other, other):
            desk.screen.type_text(digits)
            desk.screen.press("Return")
        assert read_answer(line)[0] == 200
    wait_until(lambda: not desk.dialogs, "the end of the dialog that had the codes")
    assert search_memory(desk.daemon_pid, needles(code) + needles(other)) == []


def test_attack_no_process_with_a_code_leaves_a_core_dump(desk: Workstation) -> None:
    with desk.page("POST /v1/pin/verify", {}, ORIGIN):
        desk.window("CPS code")
        (dialog,) = desk.dialogs
        for pid in (desk.daemon_pid, dialog):
            assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
    wait_until(lambda: not desk.windows, "no window")
