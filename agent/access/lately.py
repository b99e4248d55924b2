"""What was noted a short while ago: who the holder is may be read over and over, and is one use of the journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

QUIET_S: Final = 600.0
MAX_KEPT: Final = 1000


class Lately:
    """Remembers who has read what within QUIET_S; a caller that varies what it reads makes others be noted again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._noted: dict[tuple[str, str], float] = {}

    def is_news(self, caller: str, subject: str) -> bool:
        """Whether this is to be noted; from now on it is not news for a while."""
        now = self._clock()
        self._noted = {key: at for key, at in self._noted.items() if at + QUIET_S > now}
        if (caller, subject) in self._noted:
            return False
        if len(self._noted) >= MAX_KEPT:
            self._noted.clear()
        self._noted[caller, subject] = now
        return True
