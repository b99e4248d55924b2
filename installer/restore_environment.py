# ruff: noqa: INP001 - PyInstaller takes it by its path (agent.spec)
"""Run by the frozen program before its own code: give the environment back that PyInstaller's launcher changed.

The launcher puts the program's folder into LD_LIBRARY_PATH, for the dynamic linker, which has read it by now. Every
program started from here on (openssl, a browser) would load our copies of its libraries instead of the system's.
Our own children start afresh, with a launcher that sets it again.
"""

import os
import sys


def restore_environment() -> None:
    """Undo the launcher's changes, and tell it to make them anew in a child."""
    if sys.platform != "linux":
        return
    original = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if original is None:
        os.environ.pop("LD_LIBRARY_PATH", None)
    else:
        os.environ["LD_LIBRARY_PATH"] = original
    os.environ["PYINSTALLER_RESET_ENVIRONMENT"] = "1"


restore_environment()
