"""The person's own browser, opened at a page of an issuer or of the DMP."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Hashable
from typing import Final

from agent.children import NETWORK, WINDOWS, clean_environment
from agent.patience import call_in_time, run_apart
from agent.services.errors import BrowserBusyError, BrowserUnavailableError

COMMANDS: Final = {"linux": "xdg-open", "darwin": "/usr/bin/open"}
FAILS_WITHIN_S: Final = 3.0
"""Where no browser runs yet, `xdg-open` lasts as long as the one that it has started."""
_PLAIN: Final = re.compile(r"https://[A-Za-z0-9\[][A-Za-z0-9._~:/?&=+%,\[\]-]*", re.ASCII)
"""Nothing that a shell would take for more than a letter: `xdg-open` is one, and so is what BROWSER may name."""
NAMES: Final = WINDOWS | NETWORK | {"BROWSER", "XDG_CURRENT_DESKTOP", "DESKTOP_SESSION", "KDE_SESSION_VERSION"}
MAX_OPENED: Final = 10
OPENED_S: Final = 60.0


class Openings:
    """How often the browser was opened for each caller: no page fills the screen with others."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._moments: dict[Hashable, list[float]] = {}

    def note(self, caller: Hashable) -> None:
        """One more. Raises BrowserBusyError beyond MAX_OPENED within OPENED_S."""
        since_s = self._clock() - OPENED_S
        kept = {each: [at for at in moments if at > since_s] for each, moments in self._moments.items()}
        self._moments = {each: moments for each, moments in kept.items() if moments}
        mine = self._moments.setdefault(caller, [])
        if len(mine) >= MAX_OPENED:
            raise BrowserBusyError
        mine.append(self._clock())


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
