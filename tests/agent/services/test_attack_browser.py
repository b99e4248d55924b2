"""What reaches the command that opens a browser: one plain https address, and never an option, a file or a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.services.browser import MAX_OPENED, OPENED_S, Openings, open_browser
from agent.services.errors import BrowserBusyError, BrowserUnavailableError

PLAIN = (
    "https://auth.bas.psc.esante.gouv.fr/auth?response_type=code&scope=openid+scope_all&redirect_uri=http%3A%2F%2F127.0.0.1",
    "https://[::1]:8443/a/b",
    "https://127.0.0.1:8443/AccesDirect/DossierPatient/279035121518989",
)
HOSTILE = (
    "", "--help", "-version", "file:///etc/passwd", "javascript:alert(1)", "http://auth.example/", "HTTPS://auth.example/",
    "https:/auth.example/", "https://", "https:///etc/passwd", "https://--remote-debugging-port=1/",
    "https://auth.example/$(touch pwned)", "https://auth.example/$(touch${IFS}pwned)", "https://auth.example/`id`",
    "https://auth.example/;id", "https://auth.example/|id", "https://auth.example/'", 'https://auth.example/"',
    "https://auth.example/a b", "https://auth.example/a\tb", "https://auth.example/a\nb", "https://auth.example/a\0b",
    "https://auth.example/<script>", "https://auth.example/*", "https://auth.example/a\\b", "https://user@auth.example/",
    "https://auth.example/#fragment", "https://auth.example/é", "https://auth.example/\u202egnp", " https://auth.example/",
    "https://auth.example/!!", "https://auth.example/{a,b}", "https://auth.example/~$HOME",
)  # fmt: skip


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `xdg-open` was called with, a line for each word; the file is there once it was."""
    script = tmp_path / "bin" / "xdg-open"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/opened\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    return tmp_path / "opened"


@pytest.mark.parametrize("url", PLAIN)
async def test_a_plain_address_is_opened_as_it_is(opened: Path, url: str) -> None:
    await open_browser(url)
    assert opened.read_text() == f"{url}\n"


async def test_attack_anything_else_opens_nothing(opened: Path) -> None:
    for url in HOSTILE:
        with pytest.raises(BrowserUnavailableError):
            await open_browser(url)
        assert not opened.exists(), url


def test_attack_a_screen_full_of_pages() -> None:
    now = [1000.0]
    openings = Openings(lambda: now[0])
    for _ in range(3):
        for _ in range(MAX_OPENED):
            openings.note("https://a.example")
        with pytest.raises(BrowserBusyError):
            openings.note("https://a.example")
        openings.note("https://b.example")
        now[0] += OPENED_S
    assert len(openings._moments) == 2
