"""The window that asks: runs in a child process of the agent, and is the only place that imports PySide6."""

import sys

# PySide6 6.12.0 gives one reference to None too many back in every call of a method that returns nothing. Python 3.11
# counts these references and aborts at zero, after some thousand calls; from 3.12 on None is immortal (PEP 683).
SPARE_NONES = [None] * 500_000 if sys.version_info < (3, 12) else []
