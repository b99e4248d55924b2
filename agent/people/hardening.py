"""Keep the memory of a process that handles codes out of core dumps and away from debuggers of the same user."""

from __future__ import annotations

import ctypes
import os
import sys
import threading

PR_SET_DUMPABLE = 4  # <linux/prctl.h>
SEM_FAILCRITICALERRORS_NOGPFAULTERRORBOX = 0x0003  # Windows error reporting writes no dump of the process


def forbid_core_dumps() -> None:
    """Write no core dump from now on; on Linux also become non-dumpable, so that no other process attaches.

    Raises OSError when the kernel refuses: a process that may be dumped must not ask for a code.
    """
    if sys.platform == "win32":
        ctypes.windll.kernel32.SetErrorMode(SEM_FAILCRITICALERRORS_NOGPFAULTERRORBOX)
        return
    import resource  # noqa: PLC0415 - POSIX only

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        _become_undumpable()


def confine(memory: int, cpu_s: int | None = None, life_s: int | None = None) -> None:
    """For a process that reads what anybody may have made: no core dump, and an end to what it takes.

    `memory` in bytes counts on Linux, `cpu_s` not on Windows; after `life_s` it ends.
    """
    forbid_core_dumps()
    if life_s is not None:
        killer = threading.Timer(life_s, os._exit, (1,))
        killer.daemon = True
        killer.start()
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - POSIX only

        if cpu_s is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _become_undumpable() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
