"""`python -m screenshots [NAME…]`: take the pictures into build/screenshots."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from screenshots.dialogs import take_dialogs
from screenshots.tray import take

FOLDER = Path(__file__).parent.parent.parent / "build" / "screenshots"

SERIES: dict[str, Callable[[Path], dict[str, list[str]]]] = {"dialogs": take_dialogs, "tray": take}
"""Each takes its pictures into a folder and gives, for every picture, what is wrong with it."""


def main(names: list[str]) -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for name in names or SERIES:
        for picture, complaints in SERIES[name](FOLDER).items():
            lines = [f"{FOLDER / picture}.png", *(f"    {complaint}" for complaint in complaints)]
            sys.stdout.write("\n".join(lines) + "\n")
            wrong += len(complaints)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
