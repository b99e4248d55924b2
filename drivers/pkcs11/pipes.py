"""Wait for an anonymous pipe with a time limit, which each system offers in its own way."""

from __future__ import annotations

import ctypes
import select
import sys
import time

LOOK_AGAIN_S = 0.002

if sys.platform == "win32":
    import msvcrt

    def wait_readable(pipe: int, timeout_s: float) -> bool:
        """Whether something, or the end, can be read within the time. Windows only lets us look again and again."""
        handle, waiting = msvcrt.get_osfhandle(pipe), ctypes.c_ulong()
        until = time.monotonic() + timeout_s
        while ctypes.windll.kernel32.PeekNamedPipe(handle, None, 0, None, ctypes.byref(waiting), None):
            if waiting.value:
                return True
            if time.monotonic() >= until:
                return False
            time.sleep(LOOK_AGAIN_S)
        return True  # the other side is closed

else:

    def wait_readable(pipe: int, timeout_s: float) -> bool:
        """Whether something, or the end, can be read within the time."""
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))
