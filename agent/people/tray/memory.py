"""What the tray has told and must not tell again after a restart: one small file in the data folder."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any, Final

MAX_FILE: Final = 65_536
MAX_CARDS: Final = 200  # the oldest are forgotten: better told twice than a file without end


class Memory:
    """Read the file at once, write it at each change. One that is damaged is as good as none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        told = _read(path)
        expiries = told.get("expiries")
        self._expiries: dict[str, list[int]] = _valid(expiries) if isinstance(expiries, dict) else {}
        self._no_tray = told.get("noTray") is True

    def has_told(self, card: str, days: int) -> bool:
        """Whether this card's expiry was told at this threshold."""
        return days in self._expiries.get(card, ())

    def note_expiry(self, card: str, days: int) -> None:
        """Note that it was."""
        self._expiries[card] = [*self._expiries.pop(card, ()), days]  # the newest last
        self._write()

    def note_no_tray(self) -> bool:
        """Note that the person was told that there is no tray. False when it was noted before."""
        if self._no_tray:
            return False
        self._no_tray = True
        self._write()
        return True

    def _write(self) -> None:
        """Aside, then rename. What cannot be written is told again some day: no reason to fail."""
        expiries = dict(list(self._expiries.items())[-MAX_CARDS:])
        text = json.dumps({"expiries": expiries, "noTray": self._no_tray})
        aside = self._path.with_name(f".{self._path.name}-{secrets.token_hex(8)}")
        with contextlib.suppress(OSError):
            try:
                descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                aside.replace(self._path)
            finally:
                aside.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            told = json.loads(file.read(MAX_FILE))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _valid(expiries: dict[str, Any]) -> dict[str, list[int]]:
    return {
        card: [int(days) for days in told if isinstance(days, int)]
        for card, told in expiries.items()
        if isinstance(told, list)
    }
