"""Once with the real windows: a page asks, somebody at the keyboard answers on a screen in memory."""

from __future__ import annotations

import base64
import importlib.util
import os
import subprocess

import pytest
from browser_desk import run_agent
from browser_proofs import verify_token
from support.chromium import need
from support.display import find_missing_tools, virtual_display
from support.waiting import wait_until

READY = "() => !!window.client"
NONCE = base64.b64encode(bytes(range(32))).decode()
START = """([port, call]) => {
  window.agent ??= new client.CpsAgent({ ports: [port] });
  window.ending = new AbortController();
  window.answer = null;
  (0, eval)(`(signal) => agent.${call}`)(ending.signal).then(
    (value) => { window.answer = { value }; },
    (error) => { window.answer = { code: error.code, triesLeft: error.triesLeft, layer: error.layer }; },
  );
}"""
ANSWER = "() => window.answer"
GRANT = "requestGrant(['identity', 'authenticate'], { signal })"
LOGIN = f"authenticate('{NONCE}', {{ signal }})"


@pytest.fixture(scope="module")
def screen(web):
    missing = find_missing_tools()
    if importlib.util.find_spec("PySide6") is None:
        missing.append("PySide6 (the `desktop` extra)")
    need(", ".join(missing))
    with virtual_display() as display:
        yield display


@pytest.fixture
def page(screen, web, profile, tmp_path):
    """The page of a site, and an agent that asks in windows on the screen."""
    flags = ("--virtual", "--prompt", "dialog", "--language", "en")
    with run_agent(tmp_path, *flags, environment=screen.environment) as agent:
        origin = web.public()
        profile.permit_local_network(origin)
        opened = profile.open(origin + "/")
        opened.wait_for(READY)
        yield Asked(opened, agent, screen)


class Asked:
    """A page that asks, and a person who answers."""

    def __init__(self, page, agent, screen):
        self.page = page
        self.agent = agent
        self.screen = screen

    def ask(self, call, title):
        """Start a call and wait for the window that takes input."""
        self.page.run(START, [self.agent.port, call])
        window = self.screen.find_window(f"^{title}$")
        self.screen.focus(window)
        return window

    def answer(self):
        return self.page.wait_for(ANSWER)

    def agree(self):
        self.ask(GRANT, "CPS consent")
        self.screen.press("shift+Tab", "space")
        return self.answer()["value"]

    def type_code(self, code):
        self.ask(LOGIN, "CPS code")
        self.screen.type_text(code)
        self.screen.press("Return")
        return self.answer()


def test_consent_and_code_are_given_in_the_windows(page, web, tmp_path):
    grant = page.agree()
    assert grant["caller"] == web.public()
    assert grant["untilStop"] is False
    token = page.type_code("1234")["value"]
    verify_token(token, web.public(), NONCE, tmp_path)
    assert {("grant", "ok"), ("authenticate", "ok")} <= page.agent.outcomes(web.public())


def test_wrong_code_tells_the_tries_left(page):
    page.agree()
    assert page.type_code("9999") == {"code": "pin-wrong", "triesLeft": 2, "layer": "person"}
    assert "value" in page.type_code("1234")


def test_refusals_reach_the_page(page, web):
    page.ask(GRANT, "CPS consent")
    page.screen.press("Escape")
    assert page.answer()["code"] == "grant-refused"
    assert page.agent.outcomes(web.public()) == {("grant", "grant-refused")}


def test_page_that_gives_up_closes_the_window(page):
    page.agree()
    window = page.ask(LOGIN, "CPS code")
    page.page.run("() => ending.abort()")
    assert page.answer()["code"] == "aborted"
    wait_until(lambda: not is_shown(page.screen, window), "the end of the window")


def is_shown(screen, window):
    command = ("xdotool", "getwindowname", window)
    return (
        subprocess.run(command, env=os.environ | screen.environment, capture_output=True, check=False).returncode == 0
    )
