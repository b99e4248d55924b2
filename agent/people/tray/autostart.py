"""Start the tray with the user's session: one entry where each system looks for it.

Windows and macOS: the entries are tested as files and values, and not run by anybody yet.
"""

from __future__ import annotations

import os
import plistlib
import re
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ENTRY: Final = "cps-agent-tray.desktop"
LABEL: Final = "cps-agent.tray"
RUN_KEY: Final = r"Software\Microsoft\Windows\CurrentVersion\Run"


class Autostart(ABC):
    """The user's own choice. Each method raises OSError when the system does not let us."""

    @abstractmethod
    def is_on(self) -> bool:
        """Whether the tray starts with the session."""

    @abstractmethod
    def turn_on(self) -> None:
        """Let it start."""

    @abstractmethod
    def turn_off(self) -> None:
        """Let it not start, whatever the workstation's default is."""


class XdgAutostart(Autostart):
    """An entry in the user's folder; it replaces the workstation's of the same name (Autostart Specification 0.5)."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
        self._command = command
        home = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        self._own = Path(home) / "autostart" / ENTRY
        folders = (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
        self._systems = [Path(folder) / "autostart" / ENTRY for folder in folders if folder]

    def is_on(self) -> bool:
        """Ask the first entry that there is."""
        found = next((path for path in (self._own, *self._systems) if path.exists()), None)
        return found is not None and not re.search(r"^Hidden\s*=\s*true\s*$", found.read_text("utf-8"), re.MULTILINE)

    def turn_on(self) -> None:
        """Leave it to the workstation's entry where there is one."""
        self._own.unlink(missing_ok=True)
        if not self.is_on():
            self._write(f"Exec={quote_exec(self._command)}\nX-GNOME-Autostart-enabled=true\n")

    def turn_off(self) -> None:
        """Hide the workstation's entry, or have none."""
        self._own.unlink(missing_ok=True)
        if self.is_on():
            self._write("Hidden=true\n")

    def _write(self, lines: str) -> None:
        self._own.parent.mkdir(parents=True, exist_ok=True)
        head = "[Desktop Entry]\nType=Application\nName=CPS agent\nName[fr]=Agent CPS\nTerminal=false\nNoDisplay=true\n"
        self._own.write_text(head + lines, "utf-8")


def quote_exec(command: Sequence[str]) -> str:
    """The value of Exec: quoted words, then the escapes of a string value (Desktop Entry Specification 1.5, §6)."""
    words = []
    for word in command:
        quoted = re.sub(r'(["`$\\])', r"\\\1", word)
        words.append(f'"{quoted}"'.replace("\\", "\\\\").replace("%", "%%"))
    return " ".join(words)


class RegistryAutostart(Autostart):
    """A value of the user's Run key (Windows)."""

    def __init__(self, command: Sequence[str]) -> None:
        self._line = subprocess.list2cmdline(command)

    def is_on(self) -> bool:
        """Whether the value is there."""
        import winreg  # noqa: PLC0415 - Windows only

        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, RUN_KEY) as key:  # type: ignore[attr-defined, unused-ignore]
                winreg.QueryValueEx(key, LABEL)  # type: ignore[attr-defined, unused-ignore]
        except FileNotFoundError:
            return False
        return True

    def turn_on(self) -> None:
        """Write the value."""
        import winreg  # noqa: PLC0415

        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, RUN_KEY) as key:  # type: ignore[attr-defined, unused-ignore]
            winreg.SetValueEx(key, LABEL, 0, winreg.REG_SZ, self._line)  # type: ignore[attr-defined, unused-ignore]

    def turn_off(self) -> None:
        """Take it away."""
        import winreg  # noqa: PLC0415

        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, RUN_KEY) as key:  # type: ignore[attr-defined, unused-ignore]
            try:
                winreg.DeleteValue(key, LABEL)  # type: ignore[attr-defined, unused-ignore]
            except FileNotFoundError:
                return


class LaunchAgentAutostart(Autostart):
    """A property list in the user's LaunchAgents (macOS, launchd.plist(5))."""

    def __init__(self, command: Sequence[str], home: Path | None = None) -> None:
        self._command = command
        self._path = (home or Path.home()) / "Library" / "LaunchAgents" / f"{LABEL}.plist"

    def is_on(self) -> bool:
        """Whether the file is there."""
        return self._path.exists()

    def turn_on(self) -> None:
        """Write the file; launchd reads it at the next login."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        value = {
            "Label": LABEL,
            "ProgramArguments": list(self._command),
            "RunAtLoad": True,
            "ProcessType": "Interactive",
        }
        self._path.write_bytes(plistlib.dumps(value))

    def turn_off(self) -> None:
        """Take it away."""
        self._path.unlink(missing_ok=True)


def find_autostart(command: Sequence[str]) -> Autostart:
    """The way of this system."""
    if sys.platform == "win32":
        return RegistryAutostart(command)
    if sys.platform == "darwin":
        return LaunchAgentAutostart(command)
    return XdgAutostart(command)
