"""Start the agent when none runs, and the windows behind the menu: processes of their own that outlive the tray."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final

from agent.children import child_command

UNIT: Final = "cps-agent.service"
SYSTEMCTL_S: Final = 20.0
DETACHED: Final = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows shows a black window otherwise


class Unit(Enum):
    """What the user's manager says of the agent's unit."""

    ABSENT = auto()
    ENABLED = auto()
    DISABLED = auto()


@dataclass(frozen=True, slots=True)
class Launcher:
    """Start programs of ours. `data_dir` None: the usual folder, which the user's unit serves too."""

    data_dir: Path | None = None

    def start_agent(self, *, asked: bool) -> None:
        """Start the agent; one that is disabled only when the person asks for it. Raises OSError."""
        unit = find_unit() if self.data_dir is None else Unit.ABSENT
        if unit is Unit.ABSENT:
            self._start("serve")
        elif asked or unit is Unit.ENABLED:
            _run_systemctl("start", UNIT)

    def open_panel(self, page: str) -> subprocess.Popen[bytes]:
        """Open the window at a page; further pages go to it, one a line. Raises OSError."""
        return self._start("panel", "--page", page, "--from-tray", reads=True)

    def _start(self, *words: str, reads: bool = False) -> subprocess.Popen[bytes]:
        folder = [] if self.data_dir is None else ["--data-dir", str(self.data_dir)]
        process = subprocess.Popen(
            child_command(*words, *folder),
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # the tray's end, or its Ctrl-C, is not theirs
            creationflags=DETACHED,
        )
        threading.Thread(target=process.wait, name="reap", daemon=True).start()
        return process


def find_unit(environment: Mapping[str, str] = os.environ) -> Unit:
    """Whether the user's manager runs and knows the agent's unit."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    if sys.platform != "linux" or not runtime or not Path(runtime, "systemd", "private").exists():
        return Unit.ABSENT
    said = _run_systemctl("is-enabled", UNIT)
    if said in ("disabled", "masked", "masked-runtime"):
        return Unit.DISABLED
    return Unit.ABSENT if said in ("", "not-found") else Unit.ENABLED


def _run_systemctl(*words: str) -> str:
    """Ask the user's manager. Gives the first word of its answer; nothing when it does not answer."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            ["systemctl", "--user", *words], capture_output=True, text=True, check=False, timeout=SYSTEMCTL_S
        )
        return done.stdout.strip().partition("\n")[0]
    return ""


def send_page(panel: subprocess.Popen[bytes], page: str) -> bool:
    """Tell an open window to show another page. False when it has been closed."""
    if panel.poll() is not None or panel.stdin is None:
        return False
    try:
        panel.stdin.write(f"{page}\n".encode())
        panel.stdin.flush()
    except OSError:
        return False
    return True
