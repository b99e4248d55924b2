"""From the keyboard to the card: a program or a page asks, somebody types into the real windows, pcscd has the card."""

from __future__ import annotations

import http.client
import importlib.util
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from support.agent import NONCE, Answer, call
from support.display import Display, find_missing_tools, virtual_display
from support.pcscd import why_unavailable
from support.waiting import wait_until
from support.windows import Workstation, workstation

from agent.client import AgentProblemError, AgentUnreachableError, Client

MISSING = find_missing_tools() + ([] if importlib.util.find_spec("PySide6") else ["PySide6 (the `desktop` extra)"])
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(bool(why_unavailable()) and not os.environ.get("CI"), reason=f"no pcscd: {why_unavailable()}"),
]

CONSENT = "Demande d.+accord CPS"  # xdotool counts bytes
SITE = "https://dmp.example"
PAGE_HEADERS = {"Origin": SITE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}


@dataclass
class Asked:
    """A call that waits for the person, in a thread of its own."""

    thread: threading.Thread
    outcome: list[Any] = field(default_factory=list)

    def finish(self) -> Any:
        """What came of it: a result, an Answer, or the code of a problem."""
        self.thread.join(30)
        assert not self.thread.is_alive()
        return self.outcome[0]


class Desk(Workstation):
    """A workstation with a person at its keyboard."""

    def ask(self, question: Callable[[], Any], title: str) -> Asked:
        """Start a call, and give the keyboard to the window that it opens."""
        asked = Asked(threading.Thread(target=lambda: asked.outcome.append(self._try(question)), daemon=True))
        asked.thread.start()
        self.screen.focus(self.screen.find_window(f"^{title}$"))
        return asked

    def _try(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except AgentProblemError as error:
            return error.code
        except AgentUnreachableError:
            return "unreachable"

    def call_as_page(self, path: str, body: Any) -> Answer:
        return call(self.client.port, "POST", path, body, PAGE_HEADERS)

    def type_codes(self, *codes: str) -> None:
        for code in codes:
            self.screen.type_text(code)
            self.screen.press("Return")


@pytest.fixture(scope="module")
def screen() -> Iterator[Display]:
    with virtual_display() as display:
        yield display


@pytest.fixture
def desk(screen: Display, made_folder: Path, tmp_path: Path) -> Iterator[Desk]:
    with workstation(made_folder, tmp_path / "data", "--language", "fr", screen=screen, kind=Desk) as running:
        yield running
        assert running.windows == []


def test_a_code_is_typed_and_the_card_is_closed_afterwards(desk: Desk) -> None:
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.type_codes("1234")
    assert asked.finish()["pin"] == {"state": "ready", "triesLeft": 3}
    assert desk.card_state() == "63c3"


def test_a_wrong_code_costs_one_try_and_a_right_one_gives_it_back(desk: Desk) -> None:
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.type_codes("9999")
    assert asked.finish() == "pin-wrong"
    assert desk.card_state() == "63c2"
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.type_codes("1234")
    asked.finish()
    assert desk.card_state() == "63c3"


def test_the_last_try_is_ticked_first_and_a_blocked_code_is_unblocked(desk: Desk) -> None:
    for code, left in (("9999", "63c2"), ("8888", "63c1")):
        asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
        desk.type_codes(code)
        assert asked.finish() == "pin-wrong"
        assert desk.card_state() == left
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.type_codes("7777")  # goes to the tick
    assert desk.card_state() == "63c1"
    desk.screen.press("space", "Return")
    assert asked.finish() == "pin-blocked"
    assert desk.card_state() in ("63c0", "6983")
    asked = desk.ask(lambda: desk.client.pin("unblock"), "Code CPS")
    desk.type_codes("12345678", "2468", "2468")
    assert asked.finish()["pin"] == {"state": "ready", "triesLeft": 3}
    assert desk.card_state() == "63c3"
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.type_codes("2468")
    assert asked.finish()["pin"]["state"] == "ready"


def test_a_code_is_changed(desk: Desk) -> None:
    asked = desk.ask(lambda: desk.client.pin("change"), "Code CPS")
    desk.type_codes("1234", "13579", "13578")
    desk.screen.press("BackSpace", "9", "Return")
    assert asked.finish()["pin"]["triesLeft"] == 3
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.type_codes("1234")
    assert asked.finish() == "pin-wrong"
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.type_codes("13579")
    asked.finish()
    assert desk.card_state() == "63c3"


def test_a_window_that_is_closed_costs_no_try_and_may_be_opened_again(desk: Desk) -> None:
    for _ in range(2):
        asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
        desk.screen.type_text("9999")
        desk.screen.press("Escape")
        assert asked.finish() == "pin-refused"
    assert desk.card_state() == "63c3"


def test_a_page_is_granted_and_logs_in(desk: Desk) -> None:
    asked = desk.ask(lambda: desk.call_as_page("/v1/grants", {"abilities": ["identity", "authenticate"]}), CONSENT)
    desk.screen.press("shift+Tab", "space")
    assert asked.finish().status == 201
    body = {"format": "web-eid:1.0", "challengeNonce": NONCE}
    asked = desk.ask(lambda: desk.call_as_page("/v1/authentications", body), "Code CPS")
    desk.type_codes("1234")
    assert asked.finish().status == 200
    assert desk.card_state() == "63c3"


def test_a_refused_page_gets_nothing_and_asks_once(desk: Desk) -> None:
    body = {"abilities": ["sign"]}
    asked = desk.ask(lambda: desk.call_as_page("/v1/grants", body), CONSENT)
    desk.screen.press("Return")  # refusing is the default
    assert asked.finish().code == "grant-refused"
    for _ in range(20):
        assert desk.call_as_page("/v1/grants", body).code == "grant-refused"
    assert desk.windows == []
    assert desk.card_state() == "63c3"


def test_a_pulled_card_costs_no_try(desk: Desk) -> None:
    """The window closes when the daemon learns of it, or the code finds no card: nothing is spent either way."""
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.card.close()
    with Client.of(desk.folder) as other:
        seen = replace(desk, client=other, card=ExitStack())
        seen.pull()
        if asked.thread.is_alive() and desk.screen.list_windows("^Code CPS$"):
            desk.type_codes("9999")
        assert asked.finish() in ("card-removed", "card-absent")
        with seen.card:
            seen.insert()
            assert desk.card_state() == "63c3"


def window_gone(desk: Desk) -> None:
    wait_until(lambda: desk.windows == [], "the end of the window")


@pytest.mark.parametrize("typed", ["", "9999"])
def test_a_caller_that_hangs_up_takes_its_window_along(desk: Desk, typed: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", desk.client.port, timeout=30)
    headers = {"Authorization": f"Bearer {desk.client.token}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/pin/verify", b"{}", headers)
    desk.screen.focus(desk.screen.find_window("^Code CPS$"))
    desk.screen.type_text(typed)
    connection.close()
    window_gone(desk)
    assert desk.card_state() == "63c3"
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")  # hanging up once is no refusal
    desk.type_codes("1234")
    assert asked.finish()["pin"]["state"] == "ready"


def test_a_killed_window_gives_no_code(desk: Desk) -> None:
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.screen.type_text("9999")
    pid = int(desk.screen.run("xdotool", "getwindowpid", desk.screen.find_window("^Code CPS$")))
    os.kill(pid, signal.SIGKILL)
    assert asked.finish() == "pin-refused"
    window_gone(desk)
    assert desk.card_state() == "63c3"


def test_a_killed_agent_takes_its_window_along(desk: Desk) -> None:
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.screen.type_text("9999")
    os.kill(desk.daemon_pid, signal.SIGKILL)
    assert asked.finish() == "unreachable"
    window_gone(desk)
    assert desk.card_state() == "63c3"
