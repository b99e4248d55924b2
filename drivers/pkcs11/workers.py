"""How PKCS#11 modules are used here: which ones are named, and how their worker processes are started."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModuleWorkers:
    """`named`: modules of the settings; `command` gets a module's path as its last word; no environment: our own.

    `use_timeout_s` is long: a module just loaded reads the whole card again (over 60 commands of OpenSC 0.23). A worker
    without a call for `idle_s` is ended: while it lives the card stays connected, and nobody else can have it alone.
    """

    named: Sequence[Path] = ()
    command: Sequence[str] = (sys.executable, "-I", "-m", "drivers.pkcs11.worker")
    environment: Mapping[str, str] | None = None
    list_timeout_s: float = 10.0
    use_timeout_s: float = 45.0
    idle_s: float = 60.0
