"""From the keyboard to the card: a program or a page asks, somebody types into the real windows, pcscd has the card."""

from __future__ import annotations

import http.client
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.agent import NONCE, Answer, call
from support.display import Display, find_missing_tools, virtual_display
from support.pcscd import PcscdHandle, private_pcscd, why_unavailable
from support.processes import agent_program, answers, command, virtual_card
from support.waiting import wait_until

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


@dataclass
class Desk:
    """A card in a reader, an agent that asks in windows, and a person at the keyboard."""

    pcscd: PcscdHandle
    client: Client
    screen: Display
    folder: Path
    card: subprocess.Popen[str]

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
        port = int((self.folder / "port").read_text())
        return call(port, "POST", path, body, PAGE_HEADERS)

    def type_codes(self, *codes: str) -> None:
        for code in codes:
            self.screen.type_text(code)
            self.screen.press("Return")

    def tries(self) -> str:
        """What the card itself says of its code, closed as it must be."""
        return look_at_card(self.pcscd)


PROBE = """
import sys
from smartcard.scard import *
_, context = SCardEstablishContext(SCARD_SCOPE_USER)
_, card, _ = SCardConnect(context, sys.argv[1], SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0)
def send(text):
    return bytes(byte & 255 for byte in SCardTransmit(card, SCARD_PCI_T0, list(bytes.fromhex(text)))[1]).hex()
send("00A4090C023F00")
print(send("0020000100"))
send("00A4090C043F000001"); send("002241A406840182800102")
print(send("008800000F" + "30" * 15))
"""


def look_at_card(pcscd: PcscdHandle) -> str:
    """Ask as a program without a code: the tries left by ISO 7816-4 §11.5.6, and that a key is refused to it."""
    done = subprocess.run(
        [command()[0], "-c", PROBE, pcscd.reader_names[0]], env=pcscd.env, capture_output=True, text=True, check=True
    )
    state, signature = done.stdout.split()
    assert re.fullmatch(r"69\w\w", signature), "the card is open"
    return state


@pytest.fixture(scope="module")
def screen() -> Iterator[Display]:
    with virtual_display() as display:
        yield display


@pytest.fixture
def desk(screen: Display, made_folder: Path, tmp_path: Path) -> Iterator[Desk]:
    folder = Path(shutil.copytree(made_folder, tmp_path / "data"))
    flags = ("--prompt", "dialog", "--language", "fr")
    with (
        private_pcscd() as pcscd,
        agent_program(folder, *flags, env=pcscd.env | {"DISPLAY": screen.name}) as client,
        virtual_card(folder, pcscd.vpcd_port) as card,
    ):
        wait_until(lambda: list_states(client) == ["ready"], "the card")
        yield Desk(pcscd, client, screen, folder, card)
        assert screen.list_windows("CPS") == []


def list_states(client: Client) -> list[str]:
    return [reader["state"] for reader in client.status().get("readers", []) if reader["state"] != "empty"]


def test_a_code_is_typed_and_the_card_is_closed_afterwards(desk: Desk) -> None:
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.type_codes("1234")
    assert asked.finish()["pin"] == {"state": "ready", "triesLeft": 3}
    assert desk.tries() == "63c3"


def test_a_wrong_code_costs_one_try_and_a_right_one_gives_it_back(desk: Desk) -> None:
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.type_codes("9999")
    assert asked.finish() == "pin-wrong"
    assert desk.tries() == "63c2"
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.type_codes("1234")
    asked.finish()
    assert desk.tries() == "63c3"


def test_the_last_try_is_ticked_first_and_a_blocked_code_is_unblocked(desk: Desk) -> None:
    for code, left in (("9999", "63c2"), ("8888", "63c1")):
        asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
        desk.type_codes(code)
        assert asked.finish() == "pin-wrong"
        assert desk.tries() == left
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.type_codes("7777")  # goes to the tick
    assert desk.tries() == "63c1"
    desk.screen.press("space", "Return")
    assert asked.finish() == "pin-blocked"
    assert desk.tries() in ("63c0", "6983")
    asked = desk.ask(lambda: desk.client.pin("unblock"), "Code CPS")
    desk.type_codes("12345678", "2468", "2468")
    assert asked.finish()["pin"] == {"state": "ready", "triesLeft": 3}
    assert desk.tries() == "63c3"
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
    assert desk.tries() == "63c3"


def test_a_refused_code_costs_nothing_and_is_not_asked_again(desk: Desk) -> None:
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.screen.type_text("9999")
    desk.screen.press("Escape")
    assert asked.finish() == "pin-refused"
    with pytest.raises(AgentProblemError) as raised:
        desk.client.pin("verify")
    assert raised.value.code == "pin-refused"
    assert desk.tries() == "63c3"


def test_a_page_is_granted_and_logs_in(desk: Desk) -> None:
    asked = desk.ask(lambda: desk.call_as_page("/v1/grants", {"abilities": ["identity", "authenticate"]}), CONSENT)
    desk.screen.press("shift+Tab", "space")
    assert asked.finish().status == 201
    body = {"format": "web-eid:1.0", "challengeNonce": NONCE}
    asked = desk.ask(lambda: desk.call_as_page("/v1/authentications", body), "Code CPS")
    desk.type_codes("1234")
    assert asked.finish().status == 200
    assert desk.tries() == "63c3"


def test_a_refused_page_gets_nothing_and_asks_once(desk: Desk) -> None:
    body = {"abilities": ["sign"]}
    asked = desk.ask(lambda: desk.call_as_page("/v1/grants", body), CONSENT)
    desk.screen.press("Return")  # refusing is the default
    assert asked.finish().code == "grant-refused"
    for _ in range(20):
        assert desk.call_as_page("/v1/grants", body).code == "grant-refused"
    assert desk.screen.list_windows("CPS") == []
    assert desk.tries() == "63c3"


def test_a_pulled_card_costs_no_try(desk: Desk) -> None:
    """The window closes when the daemon learns of it, or the code finds no card: nothing is spent either way."""
    asked = desk.ask(lambda: desk.client.pin("verify"), "Code CPS")
    desk.card.terminate()
    desk.card.wait(15)
    with Client.of(desk.folder) as other:
        wait_until(lambda: list_states(other) == [], "the removal")
        if asked.thread.is_alive() and desk.screen.list_windows("^Code CPS$"):
            desk.type_codes("9999")
        assert asked.finish() in ("card-removed", "card-absent")
        with virtual_card(desk.folder, desk.pcscd.vpcd_port):
            wait_until(lambda: list_states(other) == ["ready"], "the card")
            assert desk.tries() == "63c3"


def window_gone(desk: Desk) -> None:
    wait_until(lambda: desk.screen.list_windows("CPS") == [], "the end of the window")


@pytest.mark.parametrize("typed", ["", "9999"])
def test_a_caller_that_hangs_up_takes_its_window_along(desk: Desk, typed: str) -> None:
    port = int((desk.folder / "port").read_text())
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Bearer {desk.client.token}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/pin/verify", b"{}", headers)
    desk.screen.focus(desk.screen.find_window("^Code CPS$"))
    desk.screen.type_text(typed)
    connection.close()
    window_gone(desk)
    assert desk.tries() == "63c3"
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
    assert desk.tries() == "63c3"


def test_a_killed_agent_takes_its_window_along(screen: Display, made_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made_folder, tmp_path / "data"))
    serve = command("serve", "--prompt", "dialog", "--language", "fr", "--port", "0", "--data-dir", str(folder))
    with private_pcscd() as pcscd, virtual_card(folder, pcscd.vpcd_port) as card:
        environment = pcscd.env | {"DISPLAY": screen.name}
        with subprocess.Popen(serve, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as agent:
            try:
                wait_until(lambda: answers(folder), "the agent")
                with Client.of(folder) as client:
                    wait_until(lambda: list_states(client) == ["ready"], "the card")
                    desk = Desk(pcscd, client, screen, folder, card)
                    asked = desk.ask(lambda: client.pin("verify"), "Code CPS")
                    desk.screen.type_text("9999")
                    agent.kill()
                    assert asked.finish() == "unreachable"
            finally:
                agent.kill()
        window_gone(desk)
        assert desk.tries() == "63c3"
