"""A screen reader for tests: a private session bus, the accessibility bus on it, and a program that reads windows."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.dbus import session_bus, why_no_bus
from support.display import Display

SYSTEM_PYTHON = "/usr/bin/python3"  # pyatspi comes with Debian alone
LAUNCHERS = ("/usr/libexec/at-spi-bus-launcher", "/usr/lib/at-spi2-core/at-spi-bus-launcher")
READER = Path(__file__).with_name("atspi_reader.py")


def find_missing_parts() -> list[str]:
    """Name what a test of accessible names needs and this machine lacks."""
    missing = ["dbus-daemon"] if why_no_bus() else []
    if not _find_launcher():
        missing.append("at-spi2-core")
    probe = subprocess.run((SYSTEM_PYTHON, "-c", "import pyatspi"), capture_output=True, check=False)
    return missing if probe.returncode == 0 else [*missing, "python3-pyatspi"]


@dataclass
class ScreenReader:
    """What hears and reads; `environment` is for the programs that are read."""

    environment: dict[str, str]
    _process: subprocess.Popen[str] = field(repr=False)

    def read(self, title: str) -> dict[str, Any]:
        """The window of that title as a tree of role, name, description, states, text and children."""
        tree: dict[str, Any] = self._ask(f"tree {title}")
        return tree

    def find_focused(self, title: str) -> str | None:
        """The name of what has the keyboard in that window."""
        name: str | None = self._ask(f"focused {title}")
        return name

    def take_events(self) -> list[dict[str, str]]:
        """Announcements and changes of text since the last call."""
        events: list[dict[str, str]] = self._ask("events")
        return events

    def _ask(self, command: str) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def flatten(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a tree, in order."""
    yield tree
    for child in tree["children"]:
        yield from flatten(child)


@contextlib.contextmanager
def screen_reader(screen: Display, folder: Path) -> Iterator[ScreenReader]:
    """Listen on that screen until the block ends. `folder` is for the sockets: its path is short."""
    environment = screen.environment | {"XDG_RUNTIME_DIR": str(folder), "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1"}
    for name in ("AT_SPI_BUS_ADDRESS", "DBUS_SESSION_BUS_ADDRESS"):
        environment.pop(name, None)
    with contextlib.ExitStack() as stack:
        environment["DBUS_SESSION_BUS_ADDRESS"] = stack.enter_context(session_bus(folder))
        launcher = _start((_find_launcher(), "--launch-immediately"), environment)
        stack.callback(_stop, launcher)
        reader = _start((SYSTEM_PYTHON, str(READER)), environment)
        stack.callback(_stop, reader)
        assert reader.stdout
        assert json.loads(reader.stdout.readline()) == "listening"
        yield ScreenReader(environment, reader)


def _start(command: tuple[str, ...], environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start it at the head of a group of its own: they start programs in turn, which end with the group."""
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip


def _stop(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _find_launcher() -> str:
    return next((path for path in LAUNCHERS if os.access(path, os.X_OK)), "")
