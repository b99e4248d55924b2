"""Other modules with the same purpose: with two of them a program shows the same card twice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from agent.modules.files import read_file
from agent.modules.surroundings import Surroundings
from agent.modules.values import ModulesError

CARD_LIBRARY: Final = re.compile(r"(onepin-)?opensc-pkcs11\.|libcps3_pkcs11|cps3_pkcs11|libcps_pkcs11", re.IGNORECASE)
"""OpenSC, and the ANS library under its names."""
MODULE_LINE: Final = re.compile(r"^\s*module\s*:\s*(\S.*?)\s*$", re.MULTILINE)
LIMITED: Final = re.compile(r"^\s*enable-in\s*:", re.MULTILINE)
MAX_MODULE_FILE: Final = 16_384
MAX_FILES: Final = 64


def card_libraries(libraries: Iterable[str]) -> tuple[str, ...]:
    """Those that show cards of the CPS family."""
    return tuple(dict.fromkeys(library for library in libraries if CARD_LIBRARY.search(Path(library).name)))


def p11_kit_card_libraries(where: Surroundings) -> tuple[str, ...]:
    """Those that p11-kit itself loads, by the module files of the machine and of the user.

    Files of one name are one module to it. One that is limited to some programs counts as hidden.
    """
    merged: dict[str, str] = {}
    for folder in ("usr/share/p11-kit/modules", "etc/pkcs11/modules"):
        _merge(merged, where.machine / folder)
    _merge(merged, where.config / "pkcs11" / "modules")
    shown = (text for text in merged.values() if not LIMITED.search(text))
    return card_libraries(library for text in shown for library in MODULE_LINE.findall(text))


def _merge(merged: dict[str, str], folder: Path) -> None:
    for file in sorted(folder.glob("*.module"))[:MAX_FILES]:
        merged[file.name] = merged.get(file.name, "") + "\n" + _read(file)


def _read(file: Path) -> str:
    try:
        return (read_file(file) or b"")[:MAX_MODULE_FILE].decode(errors="replace")
    except ModulesError:
        return ""
