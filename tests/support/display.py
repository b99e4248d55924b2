"""A screen in memory for tests of windows: Xvfb on a free display, with a window manager when one is wanted."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

TOOLS = ("Xvfb", "xdotool", "openbox", "import")


def find_missing_tools() -> list[str]:
    """Name the programs that a test of windows needs and this machine lacks."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


@dataclass(frozen=True, slots=True)
class Display:
    """A running screen; `name` is what DISPLAY takes."""

    name: str

    @property
    def environment(self) -> dict[str, str]:
        """The test's environment with this screen."""
        return os.environ | {"DISPLAY": self.name}

    def run(self, *command: str) -> str:
        """Run an X client to its end and give its output; raises CalledProcessError."""
        return subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True, timeout=20
        ).stdout

    def find_window(self, title: str, deadline_s: float = 20.0) -> str:
        """Wait for a visible window whose title matches the regular expression; give its id."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            if found := self.list_windows(title):
                return found[0]
            time.sleep(0.02)
        raise TimeoutError(f"no window titled {title!r}")

    def list_windows(self, title: str) -> list[str]:
        """Give the ids of the visible windows whose title matches."""
        return subprocess.run(
            ("xdotool", "search", "--onlyvisible", "--name", title),
            env=self.environment, check=False, capture_output=True, text=True, timeout=20,
        ).stdout.split()  # fmt: skip

    def measure(self, window: str) -> dict[str, int]:
        """Where a window is and how large: X, Y, WIDTH, HEIGHT."""
        lines = self.run("xdotool", "getwindowgeometry", "--shell", window).split()
        return {name: int(value) for name, value in (line.split("=") for line in lines)}

    def focus(self, window: str) -> None:
        """Give a window the keyboard, as a click of the person would."""
        self.run("xdotool", "windowfocus", "--sync", window)

    def type_text(self, text: str) -> None:
        """Type into whatever has the keyboard."""
        self.run("xdotool", "type", "--delay", "5", text)

    def press(self, *keys: str) -> None:
        """Press keys by their X names."""
        self.run("xdotool", "key", "--delay", "5", *keys)

    def screenshot(self, path: Path, window: str = "root") -> None:
        """Save what is shown."""
        self.run("import", "-window", window, str(path))


@contextmanager
def virtual_display(size: str = "1280x800x24", *, window_manager: bool = True) -> Iterator[Display]:
    """Start a screen and stop it with everything that was started for it."""
    with ExitStack() as stack:
        read_fd, write_fd = os.pipe()
        with os.fdopen(read_fd) as number:
            command = ("Xvfb", "-displayfd", str(write_fd), "-screen", "0", size, "-nolisten", "tcp", "-noreset")
            try:
                server = subprocess.Popen(command, pass_fds=(write_fd,), stderr=subprocess.DEVNULL)
            finally:
                os.close(write_fd)
            stack.callback(_stop, server)
            line = number.readline().strip()  # written once the server takes connections; empty when it died
        if not line:
            raise RuntimeError("Xvfb does not start")
        display = Display(f":{line}")
        if window_manager:
            stack.callback(_stop, _start_window_manager(display))
        yield display


def _start_window_manager(display: Display) -> subprocess.Popen[bytes]:
    manager = subprocess.Popen(
        ("openbox", "--sm-disable"), env=display.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 20
    while "window id" not in display.run("xprop", "-root", "_NET_SUPPORTING_WM_CHECK"):
        if manager.poll() is not None or time.monotonic() > end:
            raise RuntimeError("openbox does not start")
        time.sleep(0.02)
    return manager


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
