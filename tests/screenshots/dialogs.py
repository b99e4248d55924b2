"""Every dialog in both languages, at 100 % and 200 %, in usual colours and in high contrast."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from support.display import virtual_display

from screenshots.questions import QUESTIONS

SMALL_SCREEN = "1366x768x24"
SCALES = {"1": "", "2": "-200"}
CONTRASTS = ("", "-contrast")
TESTS = Path(__file__).parent.parent


def take_dialogs(folder: Path, names: Iterable[str] = tuple(QUESTIONS)) -> dict[str, list[str]]:
    """Save the pictures. Gives what is wrong with each, found mechanically: nothing, one hopes."""
    complaints: dict[str, list[str]] = {}
    with virtual_display(SMALL_SCREEN, window_manager=False) as screen:
        for scale, suffix in SCALES.items():
            for contrast in CONTRASTS:
                command = (
                    sys.executable, "-m", "screenshots.windows", str(folder), suffix + contrast, contrast, *names,
                )  # fmt: skip
                environment = screen.environment | {"QT_SCALE_FACTOR": scale}
                done = subprocess.run(
                    command, env=environment, cwd=TESTS, stdout=subprocess.PIPE, text=True, check=True, timeout=170
                )
                complaints |= json.loads(done.stdout)
    return complaints
