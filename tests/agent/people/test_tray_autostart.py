"""Starting with the session: files and values that each system reads, the user's own before the workstation's."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
import sys
import types

import pytest

from agent.people.tray.autostart import (
    ENTRY,
    LABEL,
    LaunchAgentAutostart,
    RegistryAutostart,
    XdgAutostart,
    find_autostart,
    quote_exec,
)

COMMAND = ("/opt/my agent/cps-agent", "tray")


@pytest.fixture(name="places")
def _places(tmp_path):
    """The user's folder and the workstation's."""
    for name in ("user", "system"):
        (tmp_path / name).mkdir()
    return tmp_path, {"XDG_CONFIG_HOME": str(tmp_path / "user"), "XDG_CONFIG_DIRS": str(tmp_path / "system")}


def add_system_entry(folder):
    path = folder / "system/autostart" / ENTRY
    path.parent.mkdir()
    path.write_text("[Desktop Entry]\nType=Application\nName=x\nExec=/usr/lib/cps-agent/start-in-session\n")


def test_user_without_an_entry_of_the_workstation(places):
    folder, environment = places
    autostart = XdgAutostart(COMMAND, environment)
    assert not autostart.is_on()
    autostart.turn_on()
    assert autostart.is_on()
    assert '\nExec="/opt/my agent/cps-agent" "tray"\n' in (folder / "user/autostart" / ENTRY).read_text()
    autostart.turn_off()
    autostart.turn_off()
    assert not autostart.is_on()
    assert not (folder / "user/autostart" / ENTRY).exists()


def test_user_hides_the_workstations_entry_and_takes_it_back(places):
    folder, environment = places
    add_system_entry(folder)
    autostart = XdgAutostart(COMMAND, environment)
    assert autostart.is_on()
    autostart.turn_off()
    assert not autostart.is_on()
    assert "Hidden=true" in (folder / "user/autostart" / ENTRY).read_text()
    autostart.turn_on()
    assert autostart.is_on()
    assert not (folder / "user/autostart" / ENTRY).exists()


@pytest.mark.skipif(not shutil.which("desktop-file-validate"), reason="needs desktop-file-utils")
@pytest.mark.parametrize("system", [True, False])
def test_entries_are_valid(places, system):
    folder, environment = places
    autostart = XdgAutostart(COMMAND, environment)
    if system:
        add_system_entry(folder)
        autostart.turn_off()
    else:
        autostart.turn_on()
    path = folder / "user/autostart" / ENTRY
    done = subprocess.run(["desktop-file-validate", str(path)], capture_output=True, text=True, check=False)
    complaints = [line for line in done.stdout.splitlines() if 'required key "Exec"' not in line]
    assert complaints == [] or system  # a hidden entry needs no Exec, which the validator asks for all the same


@pytest.mark.parametrize(
    "word", ["plain", "with space", 'quo"te', "dol$lar", "back`tick", "back\\slash", "per%cent", "é…", "'"]
)
def test_exec_is_read_back_as_it_was(word):
    """As a desktop reads it: the escapes of a string, then field codes, then quotes, which are those of a shell."""
    value = quote_exec(["printf", "%s", word]).replace("\\\\", "\\").replace("%%", "%")
    assert subprocess.run(["sh", "-c", value], capture_output=True, check=True).stdout.decode() == word


def test_launch_agent_of_macos(tmp_path):
    autostart = LaunchAgentAutostart(COMMAND, tmp_path)
    assert not autostart.is_on()
    autostart.turn_on()
    assert autostart.is_on()
    value = plistlib.loads((tmp_path / "Library/LaunchAgents" / f"{LABEL}.plist").read_bytes())
    assert (value["Label"], value["ProgramArguments"], value["RunAtLoad"]) == (LABEL, list(COMMAND), True)
    autostart.turn_off()
    autostart.turn_off()
    assert not autostart.is_on()


class Registry(types.ModuleType):
    """The few functions of winreg that are used, on a dictionary."""

    HKEY_CURRENT_USER, REG_SZ = "HKCU", 1

    def __init__(self) -> None:
        super().__init__("winreg")
        self.values: dict[str, str] = {}

    def OpenKey(self, root, path):  # noqa: N802 - winreg's
        assert (root, path.rsplit("\\", 1)[1]) == ("HKCU", "Run")
        return self

    CreateKey = OpenKey

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def QueryValueEx(self, _key, name):  # noqa: N802 - winreg's
        if name not in self.values:
            raise FileNotFoundError(name)
        return self.values[name], self.REG_SZ

    def SetValueEx(self, _key, name, _reserved, kind, value):  # noqa: N802 - winreg's
        assert kind == self.REG_SZ
        self.values[name] = value

    def DeleteValue(self, _key, name):  # noqa: N802 - winreg's
        if name not in self.values:
            raise FileNotFoundError(name)
        del self.values[name]


def test_run_key_of_windows(monkeypatch):
    registry = Registry()
    monkeypatch.setitem(sys.modules, "winreg", registry)
    autostart = RegistryAutostart((r"C:\Program Files\cps-agent\cps-agent.exe", "tray"))
    assert not autostart.is_on()
    autostart.turn_on()
    assert autostart.is_on()
    assert registry.values == {LABEL: r'"C:\Program Files\cps-agent\cps-agent.exe" tray'}
    autostart.turn_off()
    autostart.turn_off()
    assert not autostart.is_on()


@pytest.mark.parametrize(
    ("platform", "kind"), [("linux", XdgAutostart), ("win32", RegistryAutostart), ("darwin", LaunchAgentAutostart)]
)
def test_each_system_has_its_way(monkeypatch, platform, kind):
    monkeypatch.setattr(sys, "platform", platform)
    assert isinstance(find_autostart(COMMAND), kind)


def test_command_line(tmp_path, monkeypatch):
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path), "LC_ALL": "C.UTF-8", "PATH": ""}
    said = []
    for word in ("status", "on", "status", "off"):
        command = [sys.executable, "-m", "agent", "tray", "--autostart", word]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
        said.append("not" not in done.stdout)
    assert said == [False, True, True, False]
