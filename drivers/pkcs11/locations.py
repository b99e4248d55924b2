"""Where PKCS#11 modules for CPS cards are installed: the ANS library (Cryptolib CPS 5) first, then OpenSC."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

LINUX = (
    "/opt/santesocial/CPS/lib/libcps3_pkcs11_lux.so",
    "/usr/lib64/libcps3_pkcs11_lux.so",
    "/usr/local/galss/libcps3_pkcs11_lux.so",  # older packages
    "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so",
    "/usr/lib/aarch64-linux-gnu/opensc-pkcs11.so",
    "/usr/lib64/opensc-pkcs11.so",
    "/usr/lib64/pkcs11/opensc-pkcs11.so",
    "/usr/lib/opensc-pkcs11.so",
    "/usr/lib/pkcs11/opensc-pkcs11.so",
)
MACOS = (
    "/usr/local/lib/libcps3_pkcs11_osx.dylib",
    "/usr/lib/libcps3_pkcs11_osx.dylib",  # older packages
    "/Library/OpenSC/lib/opensc-pkcs11.so",
)
WINDOWS = (
    r"{system}\cps3_pkcs11_w64.dll",
    r"{programs}\OpenSC Project\OpenSC\pkcs11\opensc-pkcs11.dll",
)
WINDOWS_32 = (
    r"{system}\cps3_pkcs11_w32.dll",
    r"{programs}\OpenSC Project\OpenSC\pkcs11\opensc-pkcs11.dll",
)


def find_modules(named: Iterable[Path] = ()) -> tuple[Path, ...]:
    """The modules to try with a card, in order: those that the settings name, then those that are installed.

    The named ones are given whether they are there or not, so that a wrong name is noticed.
    """
    installed = (place for place in map(Path, known_places(sys.platform)) if _is_installed(place))
    found: dict[str, Path] = {}
    for module in (*named, *installed):
        found.setdefault(os.path.realpath(module), module)
    return tuple(found.values())


def _is_installed(module: Path) -> bool:
    """Whether the file is there and only an administrator can write or replace it: a module is given codes."""
    try:
        real = module.resolve(strict=True)
        if sys.platform == "win32":
            return real.is_file()
        ways = {*module.absolute().parents, *real.parents}
        return real.is_file() and all(_is_administrators(path.stat()) for path in (real, *ways))
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return False


def _is_administrators(status: os.stat_result) -> bool:
    """Whether nobody else can write it; in a sticky folder others cannot replace what is not their own."""
    writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    return status.st_uid == 0 and (not writable or bool(sticky))


def known_places(platform: str, bits: int = 64 if sys.maxsize > 2**32 else 32) -> tuple[str, ...]:
    """Paths by `sys.platform`; a process takes modules of its own word size only."""
    if platform == "win32":
        places = WINDOWS if bits == 64 else WINDOWS_32
        return tuple(place.format(**_windows_folders()) for place in places)
    return MACOS if platform == "darwin" else LINUX


def _windows_folders() -> dict[str, str]:
    """Windows shows a 32-bit process its own System32 and Program Files under these names."""
    windows = os.environ.get("SYSTEMROOT", r"C:\Windows")
    return {"system": windows + r"\System32", "programs": os.environ.get("PROGRAMFILES", r"C:\Program Files")}
