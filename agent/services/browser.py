"""The person's own browser, opened at a page of an issuer or of the DMP."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Final

from agent.children import NETWORK, WINDOWS, clean_environment
from agent.patience import call_in_time, run_apart
from agent.services.errors import BrowserUnavailableError

COMMANDS: Final = {"linux": "xdg-open", "darwin": "/usr/bin/open"}
FAILS_WITHIN_S: Final = 3.0
"""Where no browser runs yet, `xdg-open` lasts as long as the one that it has started."""
_PLAIN: Final = re.compile(r"https://[A-Za-z0-9\[][A-Za-z0-9._~:/?&=+%,\[\]-]*", re.ASCII)
"""Nothing that a shell would take for more than a letter: `xdg-open` is one, and so is what BROWSER may name."""
NAMES: Final = WINDOWS | NETWORK | {"BROWSER", "XDG_CURRENT_DESKTOP", "DESKTOP_SESSION", "KDE_SESSION_VERSION"}


async def open_browser(url: str) -> None:
    """Open a plain https address; nothing of the agent's own environment goes along. Raises BrowserUnavailableError."""
    if not _PLAIN.fullmatch(url):
        raise BrowserUnavailableError("not a plain https address")
    if sys.platform == "win32":
        await run_apart(lambda: _open_on_windows(url))
    else:
        await run_apart(lambda: _run(COMMANDS.get(sys.platform, COMMANDS["linux"]), url))


def _run(command: str, url: str) -> None:
    """Not by asyncio, whose end would take along the browser that was started here."""
    try:
        process = subprocess.Popen(
            [command, url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=clean_environment(os.environ, NAMES),
            start_new_session=True,
        )
    except OSError as error:
        raise BrowserUnavailableError(f"{command}: {error.strerror}") from error
    try:
        code = call_in_time(process.wait, FAILS_WITHIN_S, "cps-agent-browser")
    except TimeoutError:
        return  # it shows the page, and the thread that waits will learn of its end
    if code != 0:
        raise BrowserUnavailableError(f"{command} ended with {code}")


def _open_on_windows(url: str) -> None:
    try:
        os.startfile(url)  # type: ignore[attr-defined, unused-ignore]  # noqa: S606 - https, as checked above
    except OSError as error:
        raise BrowserUnavailableError(str(error)) from error
