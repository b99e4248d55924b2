"""The person's own browser, opened at a page of an issuer or of the DMP."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL
from typing import Final

from agent.children import NETWORK, WINDOWS, clean_environment
from agent.services.errors import BrowserUnavailableError

COMMANDS: Final = {"linux": "xdg-open", "darwin": "/usr/bin/open"}
FAILS_WITHIN_S: Final = 3.0
"""Where no browser runs yet, `xdg-open` lasts as long as the one that it has started."""
NAMES: Final = WINDOWS | NETWORK | {"BROWSER", "XDG_CURRENT_DESKTOP", "DESKTOP_SESSION", "KDE_SESSION_VERSION"}


async def open_browser(url: str) -> None:
    """Open an https address; nothing of the agent's own environment goes along. Raises BrowserUnavailableError."""
    if not url.startswith("https://"):
        raise BrowserUnavailableError("not an https address")
    if sys.platform == "win32":
        await asyncio.to_thread(_open_on_windows, url)
    else:
        await _run(COMMANDS.get(sys.platform, COMMANDS["linux"]), url)


async def _run(command: str, url: str) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            command,
            url,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            env=clean_environment(os.environ, NAMES),
            start_new_session=True,
        )
    except OSError as error:
        raise BrowserUnavailableError(f"{command}: {error.strerror}") from error
    try:
        async with asyncio.timeout(FAILS_WITHIN_S):
            code = await process.wait()
    except TimeoutError:
        return  # it shows the page
    if code != 0:
        raise BrowserUnavailableError(f"{command} ended with {code}")


def _open_on_windows(url: str) -> None:
    try:
        os.startfile(url)  # type: ignore[attr-defined, unused-ignore]  # noqa: S606 - https, as checked above
    except OSError as error:
        raise BrowserUnavailableError(str(error)) from error
