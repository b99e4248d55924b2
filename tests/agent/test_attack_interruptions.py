"""At every step of a prompt: the card is pulled, the dialog killed, the caller gone. No window, no open card, no lost try."""

from __future__ import annotations

import base64
import contextlib
import itertools
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest
from support.agent import NONCE
from support.display import find_missing_tools
from support.pcscd import why_unavailable
from support.processes import command
from support.trayer import click, find_icon, title_of, trayer, wait_for_icon
from support.waiting import wait_until
from support.windows import Workstation, read_answer, workstation

MISSING = [*find_missing_tools(), *filter(None, [why_unavailable()])]
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=f"needs {', '.join(MISSING)}")

GRANT = {"abilities": ["identity", "authenticate", "sign"]}
LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}
DOCUMENTS = [{"name": f"{n}.txt", "content": base64.b64encode(bytes(2000)).decode()} for n in range(30)]
SIGN = {"format": "cms", "documents": DOCUMENTS}
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def desk(made_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workstation]:
    with workstation(made_folder, tmp_path_factory.mktemp("desk") / "data") as running:
        yield running


@pytest.fixture(autouse=True)
def _card_in_its_reader(desk: Workstation) -> None:
    if "ready" not in desk.reader_states():
        desk.pull()
        desk.insert()


class Asking:
    """A page of its own site in the middle of a question."""

    def __init__(self, desk: Workstation) -> None:
        self.desk = desk
        self.origin = f"https://site{next(numbers)}.example"
        self.line: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        if self.line is not None:
            self.line.close()

    def ask(self, path: str, body: dict[str, object]) -> None:
        self.hang_up()
        self.line = self.desk.page(f"POST {path}", body, self.origin)

    def consent(self) -> None:
        self.ask("/v1/grants", GRANT)
        self.desk.window("CPS consent")
        self.desk.screen.press("shift+Tab", "space")
        assert self.line
        assert read_answer(self.line)[0] == 201


def consent_shown(desk: Workstation) -> Asking:
    asking = Asking(desk)
    asking.ask("/v1/grants", GRANT)
    desk.window("CPS consent")
    return asking


def code_asked(desk: Workstation) -> Asking:
    asking = Asking(desk)
    asking.consent()
    asking.ask("/v1/authentications", LOGIN)
    desk.window("CPS code")
    return asking


def code_half_typed(desk: Workstation) -> Asking:
    asking = code_asked(desk)
    desk.screen.type_text("12")
    return asking


def code_given(desk: Workstation) -> Asking:
    """The card is at work: thirty signatures take it a while."""
    asking = Asking(desk)
    asking.consent()
    asking.ask("/v1/signatures", SIGN)
    desk.window("CPS code")
    desk.screen.type_text("1234")
    desk.screen.press("Return")
    wait_until(lambda: not desk.windows, "the window's end")
    return asking


def pull(desk: Workstation, asking: Asking) -> None:
    desk.pull()


def kill_dialog(desk: Workstation, asking: Asking) -> None:
    for child in desk.dialogs:
        with contextlib.suppress(ProcessLookupError):  # after the code it ends by itself, perhaps just now
            os.kill(child, signal.SIGKILL)


def hang_up(desk: Workstation, asking: Asking) -> None:
    asking.hang_up()


STEPS = (consent_shown, code_asked, code_half_typed, code_given)


@pytest.mark.parametrize("interrupt", [pull, kill_dialog, hang_up])
@pytest.mark.parametrize("step", STEPS)
def test_attack_interruption_leaves_nothing_behind(
    desk: Workstation, step: Callable[[Workstation], Asking], interrupt: Callable[[Workstation, Asking], None]
) -> None:
    with step(desk) as asking:
        interrupt(desk, asking)
        if interrupt is not hang_up:
            assert asking.line
            if step is consent_shown and interrupt is pull:
                desk.screen.press("Escape")  # a consent is about the caller, not about the card: it stays
            status, answer = read_answer(asking.line)
            expected = {"card-removed", "card-absent", "pin-refused", "grant-refused"}
            assert status == 200 or answer["code"] in expected
    wait_until(lambda: not desk.windows, "no window")
    wait_until(lambda: not desk.dialogs, "no dialog process")
    if interrupt is pull:
        desk.insert()
    wait_until(lambda: desk.card_state() == "63c3", "a closed card with all its tries")


@pytest.fixture
def tray(desk: Workstation) -> Iterator[subprocess.Popen[bytes]]:
    """The agent's icon in a real tray."""
    environment = {**desk.pcscd.env, "DISPLAY": desk.screen.name, "LC_ALL": "C.UTF-8"}
    environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
    words = command("tray", "--no-start", "--data-dir", str(desk.folder))
    with trayer(desk.screen), subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def code_asked_from_the_tray(desk: Workstation) -> None:
    """The menu's first deed below what it tells: check the code."""
    wait_until(lambda: "Card ready" in title_of_icon(desk), "the icon of a ready card")
    click(desk.screen, wait_for_icon(desk.screen))
    desk.screen.find_window("^CPS$")
    desk.screen.press(*("Down",) * 4, "Return")
    desk.window("CPS code")


def title_of_icon(desk: Workstation) -> str:
    spot = find_icon(desk.screen)
    try:
        return title_of(desk.screen, spot) if spot else ""
    except subprocess.CalledProcessError:  # just gone
        return ""


@pytest.mark.parametrize("typed", ["", "12"])
def test_attack_a_tray_killed_in_the_middle_of_its_question_leaves_nothing_behind(
    desk: Workstation, tray: subprocess.Popen[bytes], typed: str
) -> None:
    code_asked_from_the_tray(desk)
    if typed:
        desk.screen.type_text(typed)
    tray.kill()
    wait_until(lambda: not desk.windows, "no window")
    wait_until(lambda: not desk.dialogs, "no dialog process")
    assert desk.card_state() == "63c3"


def test_after_all_that_the_card_works(desk: Workstation) -> None:
    with code_asked(desk) as asking:
        desk.screen.type_text("1234")
        desk.screen.press("Return")
        assert asking.line
        assert read_answer(asking.line)[0] == 200
    assert desk.card_state() == "63c3"
