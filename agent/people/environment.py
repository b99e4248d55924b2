"""The environment of a dialog process: what shows a window, and nothing that loads foreign code into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_NAMES: Final = frozenset(
    {
        "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "AT_SPI_BUS_ADDRESS",
        "LANG", "LANGUAGE", "HOME", "PATH", "TZ", "TMPDIR",
        "QT_QPA_PLATFORM", "QT_SCALE_FACTOR", "QT_SCREEN_SCALE_FACTORS", "QT_ENABLE_HIGHDPI_SCALING", "QT_FONT_DPI",
        "QT_ACCESSIBILITY", "QT_LINUX_ACCESSIBILITY_ALWAYS_ON",
        # Windows, macOS: without these Python or the window system does not start
        "SYSTEMROOT", "WINDIR", "TEMP", "TMP", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "__CF_USER_TEXT_ENCODING",
    }
)  # fmt: skip
_PREFIXES: Final = ("XDG_", "LC_")


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Keep the allowed variables; LD_LIBRARY_PATH becomes what it was before PyInstaller's launcher changed it."""
    kept = {name: value for name, value in environment.items() if name in _NAMES or name.startswith(_PREFIXES)}
    if "LD_LIBRARY_PATH_ORIG" in environment:
        kept["LD_LIBRARY_PATH"] = environment["LD_LIBRARY_PATH_ORIG"]
    return kept
