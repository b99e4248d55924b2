"""The person's browser: how it is started, with what, and what becomes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.waiting import wait_until

from agent.services import browser
from agent.services.browser import open_browser
from agent.services.errors import BrowserUnavailableError

URL = "https://wallet.example/auth?a=1&b=x%20y"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "xdg-open"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(browser, "COMMANDS", {"linux": "xdg-open"})
    return path


def write(script: Path, text: str) -> None:
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)


async def test_nothing_of_the_agents_goes_along(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPS_AGENT_DATA_DIR", "/secret")
    monkeypatch.setenv("LD_PRELOAD_OF_SOMEBODY", "/evil.so")
    monkeypatch.setenv("PYTHONPATH", "/evil")
    monkeypatch.setenv("DISPLAY", ":9")
    write(
        script,
        f'printf "%s\\n" "$@" > {script.parent}/seen; env > {script.parent}/env; ls -l /proc/self/fd > {script.parent}/fds',
    )
    await open_browser(URL)
    assert (script.parent / "seen").read_text() == f"{URL}\n"
    environment = (script.parent / "env").read_text()
    assert "DISPLAY=:9" in environment
    assert not [name for name in ("CPS_AGENT", "LD_PRELOAD_OF", "PYTHONPATH") if name in environment]
    assert "socket:" not in (script.parent / "fds").read_text()


async def test_a_browser_that_fails(script: Path) -> None:
    write(script, "exit 3")
    with pytest.raises(BrowserUnavailableError, match="3"):
        await open_browser(URL)


async def test_no_browser(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script.parent))
    with pytest.raises(BrowserUnavailableError):
        await open_browser(URL)


@pytest.mark.parametrize(
    "url",
    ["http://wallet.example", "file:///etc/passwd", "-version", "javascript:1", "", "https://x.example/$(touch x)"],
)
async def test_only_https_is_opened(script: Path, url: str) -> None:
    write(script, f"touch {script.parent}/opened")
    with pytest.raises(BrowserUnavailableError):
        await open_browser(url)
    assert not (script.parent / "opened").exists()


async def test_a_browser_that_stays_is_not_waited_for_and_not_ended(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "FAILS_WITHIN_S", 0.2)
    write(script, f"echo $$ > {script.parent}/pid; read _ < {script.parent}/fifo; touch {script.parent}/ended")
    os.mkfifo(script.parent / "fifo")
    await open_browser(URL)
    os.kill(int((script.parent / "pid").read_text()), 0)
    (script.parent / "fifo").write_text("\n")
    wait_until((script.parent / "ended").exists, "its own end")
