"""A real pcscd that dies, comes late or comes back, a reader that is torn out, and other programs that never pause."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from failure_service import CI, MSE, SELECT_FIRST_CERTIFICATE, VERIFY_PIN, Background, Workstation
from support.pcscd import PcscdHandle, private_pcscd, why_unavailable
from support.processes import agent_program
from support.waiting import wait_until

from agent.client import Client
from drivers.base import Token

pytestmark = pytest.mark.skipif(bool(why_unavailable()) and not CI, reason=f"no private pcscd: {why_unavailable()}")

AT_ONCE_S = 2.0
GONE = {"service-stopped", "reader-removed", "card-removed"}
"""What a request in flight may end in when the service dies under it."""
COMING_BACK = {"service-stopped", "reader-absent", "card-absent", "card-removed", "card-busy", "card-mute"}
"""What may be said until the service, the reader and the card are there again."""


@pytest.fixture(scope="module")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a test card that the agent knows already."""
    folder = tmp_path_factory.mktemp("made")
    with agent_program(folder, "--virtual", "--unattended") as client:
        assert len(client.cards()) == 1
    return folder


@pytest.fixture(scope="module")
def pcscd() -> Iterator[PcscdHandle]:
    with private_pcscd() as handle:
        yield handle


@pytest.fixture
def folder(made_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_folder, tmp_path / "data"))


@pytest.fixture
def desk(pcscd: PcscdHandle, folder: Path) -> Iterator[Workstation]:
    with agent_program(folder, "--unattended", env=pcscd.env) as client:
        yield Workstation(pcscd, client, folder)


def test_a_service_that_was_never_started_is_named_and_found_when_it_starts(pcscd: PcscdHandle, folder: Path) -> None:
    pcscd.stop()
    with agent_program(folder, "--unattended", env=pcscd.env) as client:
        desk = Workstation(pcscd, client, folder)
        code, took = desk.timed_outcome()
        assert code == "service-stopped"
        assert took < AT_ONCE_S
        assert client.status()["service"] == "stopped"
        pcscd.start()
        with desk.card():
            desk.wait_until_it_works(COMING_BACK)
            desk.require_closed()


def test_a_service_killed_while_a_new_card_is_read(pcscd: PcscdHandle, folder: Path) -> None:
    (folder / "agent.db").unlink()
    with (
        agent_program(folder, "--unattended", env=pcscd.env) as client,
        (desk := Workstation(pcscd, client, folder)).card(delay_ms=20) as card,
    ):
        card.wait_for(SELECT_FIRST_CERTIFICATE)
        desk.pcscd.kill()
        code, took = desk.timed_outcome()
        assert code in COMING_BACK
        assert took < AT_ONCE_S
        wait_until(lambda: desk.client.status()["service"] == "stopped", "the agent to see it")
        desk.pcscd.start()
        desk.wait_until_it_works(COMING_BACK)
        desk.require_closed()


def test_a_service_killed_while_the_card_signs(desk: Workstation) -> None:
    with desk.card(delay_ms=50) as card:
        desk.wait_for_card()
        signing = Background(desk.timed_outcome)
        card.wait_for(VERIFY_PIN)
        card.wait_for(MSE)
        desk.pcscd.kill()
        code, took = signing.get()
        assert code in GONE
        assert took < AT_ONCE_S + 1
        desk.pcscd.start()
        desk.wait_until_it_works(COMING_BACK)
        desk.require_closed()
        outcomes = [entry["outcome"] for entry in desk.client.journal() if entry["action"] == "authenticate"]
        assert outcomes[0] == "ok"
        assert code in outcomes


def test_a_service_that_restarts_between_two_requests(desk: Workstation) -> None:
    with desk.card():
        desk.wait_until_it_works(COMING_BACK)
        for end in (desk.pcscd.stop, desk.pcscd.kill):
            end()
            desk.pcscd.start()
            desk.wait_until_it_works(COMING_BACK)
        desk.require_closed()


def test_a_card_torn_out_in_the_middle_of_a_command(desk: Workstation) -> None:
    """Its program is killed while it computes: the link to the reader breaks within an exchange."""
    with desk.card(delay_ms=150) as card:
        desk.wait_for_card()
        signing = Background(desk.timed_outcome)
        card.wait_for(MSE)
        card.process.kill()
        code, took = signing.get()
        assert code == "card-removed"
        assert took < 3 * AT_ONCE_S
    wait_until(lambda: desk.outcome() == "card-absent", "the removal")
    with desk.card():
        desk.wait_until_it_works(COMING_BACK)
        desk.require_closed()


@pytest.mark.parametrize(("after", "delay_ms"), [("leave", 30), ("reset", 0)])
def test_a_program_that_never_pauses_makes_the_agent_wait_but_not_for_ever(
    desk: Workstation, after: str, delay_ms: int
) -> None:
    """Beside a slow card it gets no turn at all: whoever waits looks ten times a second (pcsc-lite 1.9)."""
    with desk.card(delay_ms):
        desk.wait_for_card()
        with desk.other_program(after, turns=1_000_000) as other:
            code, took = desk.timed_outcome()
            assert code in {"ok", "card-busy"}
            assert took < 3 * Token.look_timeout_s
            assert desk.client.status()["name"] == "cps-agent"
            assert other.poll() is None
        desk.wait_until_it_works({"card-busy"})
        desk.require_closed()


@pytest.mark.parametrize("after", ["leave", "reset"])
def test_the_agent_in_a_loop_leaves_turns_to_another_program(desk: Workstation, after: str) -> None:
    """Three callers that never pause: the reader's thread leaves 150 ms between two transactions of ours."""
    ended, outcomes = threading.Event(), []

    def use() -> None:
        with Client.of(desk.folder) as client:
            mine = Workstation(desk.pcscd, client, desk.folder)
            while not ended.is_set():
                outcomes.append(mine.outcome())

    with desk.card(delay_ms=30):
        desk.wait_for_card()
        callers = [Background(use) for _ in range(3)]
        wait_until(lambda: len(outcomes) >= 3, "our load")
        with desk.other_program(after, turns=5, pause_s=0.07) as other:
            assert other.stdout
            waits = [float(line) for line in other.stdout]
        ended.set()
        for caller in callers:
            caller.get()
        assert len(waits) == 5
        assert max(waits) < 2 * AT_ONCE_S
        assert set(outcomes) <= {"ok", "card-busy", "too-many-requests"}
        assert outcomes.count("ok") >= 1
        desk.require_closed()
