"""Our own child processes: hidden commands of this program, in an environment that loads no foreign code into them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from typing import Final

NO_CONSOLE: Final = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows shows a black window otherwise

_COMMON: Final = frozenset(
    {
        "LANG", "LANGUAGE", "HOME", "PATH", "TZ", "TMPDIR",
        # Windows, macOS: without these Python or the window system does not start
        "SYSTEMROOT", "WINDIR", "TEMP", "TMP", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "__CF_USER_TEXT_ENCODING",
    }
)  # fmt: skip
_COMMON_PREFIXES: Final = ("XDG_", "LC_")

WINDOWS: Final = frozenset(
    {
        "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "AT_SPI_BUS_ADDRESS",
        "QT_QPA_PLATFORM", "QT_SCALE_FACTOR", "QT_SCREEN_SCALE_FACTORS", "QT_ENABLE_HIGHDPI_SCALING", "QT_FONT_DPI",
        "QT_ACCESSIBILITY", "QT_LINUX_ACCESSIBILITY_ALWAYS_ON",
    }
)  # fmt: skip
"""What a process that shows a window needs."""

MODULES: Final = frozenset(
    {
        "PCSCLITE_CSOCK_NAME", "OPENSC_CONF", "SOFTHSM2_CONF", "CPS3_PKCS11_TRACES", "CPS3_PCS11_TRACES", "CPS3_DEBUG",
        "PROGRAMFILES", "PROGRAMDATA", "ALLUSERSPROFILE",
    }
)  # fmt: skip
"""Where PKCS#11 modules find their service and their settings."""

NO_DOOR: Final = {"P11_KIT_SERVER_ADDRESS": "unix:path=/dev/null"}
"""A module of p11-kit would find the agent's own door by itself, and the agent would wait for itself."""

NETWORK: Final = frozenset(
    {
        "http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
        "SSL_CERT_FILE", "SSL_CERT_DIR",
    }
)  # fmt: skip
"""What a process that asks other hosts needs to find its proxy and the system's authorities."""


def child_command(*words: str) -> list[str]:
    """How to run this program again, frozen or not; -I: not whatever is called agent in the current folder."""
    if getattr(sys, "frozen", False):
        return [sys.executable, *words]
    return [sys.executable, "-I", "-m", "agent", *words]


def clean_environment(environment: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    """Keep the common variables and those named; LD_LIBRARY_PATH becomes what it was before PyInstaller changed it."""
    allowed = _COMMON | names
    kept = {name: value for name, value in environment.items() if name in allowed or name.startswith(_COMMON_PREFIXES)}
    if "LD_LIBRARY_PATH_ORIG" in environment:
        kept["LD_LIBRARY_PATH"] = environment["LD_LIBRARY_PATH_ORIG"]
    return kept


async def start_child(
    command: Sequence[str],
    names: frozenset[str],
    stdout: int = subprocess.PIPE,
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start one that is spoken to by its standard input; it shows no console and says nothing on standard error.

    A Ctrl-C meant for the agent is none for it. Raises OSError.
    """
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        env=clean_environment(os.environ if environment is None else environment, names),
        creationflags=NO_CONSOLE,
        start_new_session=True,
    )
