"""The package from the sources to the purge, on a bare Debian: no Python there, no desktop, no smart card service.

No user manager of systemd runs here: the unit is checked by systemd-analyze, and enabled and disabled, but not started.
The tests build on each other, in the order in which they stand: a workstation's life.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from bare_debian import USER, BareDebian, bare_debian
from built_package import Built

from agent.settings import CONVERTERS

PROJECT = Path(__file__).parents[2]
HOME = "/usr/lib/cps-agent"
UNIT = "/usr/lib/systemd/user/cps-agent.service"
SOCKET = "/usr/lib/systemd/user/cps-agent.socket"
LINK = "/etc/systemd/user/graphical-session.target.wants/cps-agent.service"
AUTOSTART = "/etc/xdg/autostart/cps-agent-tray.desktop"
POLICY = "/etc/cps-agent/policy.toml"
APT = ("apt-get", "-q", "--yes", "--no-install-recommends", "-o", "DPkg::Use-Pty=0")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a Debian in a folder and enter it"),
    pytest.mark.timeout(900),  # the fixtures freeze the agent and fetch a Debian
]


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareDebian]:
    with bare_debian(tmp_path_factory.mktemp("debian"), "openssl") as system:  # with it the demo checks its results
        yield system


@pytest.fixture(scope="module")
def files_before(debian: BareDebian) -> set[str]:
    debian.run(*APT, "update", timeout_s=300)
    return debian.files()


@pytest.fixture(scope="module")
def installed(debian: BareDebian, built: Built, files_before: set[str]) -> BareDebian:
    shutil.copy(built.package, debian.root / "tmp/cps-agent.deb")
    debian.run(*APT, "install", "/tmp/cps-agent.deb", timeout_s=300)
    return debian


def say_ok(printed: str) -> dict[str, dict[str, object]]:
    demo = json.loads(printed)
    assert demo["ok"], printed
    return demo


def test_frozen_demo_runs_on_a_bare_debian(built, debian):
    shutil.copytree(built.frozen, debian.root / "srv/cps-agent", symlinks=True)
    assert not list((debian.root / "usr/bin").glob("python3*"))
    assert say_ok(debian.run("/srv/cps-agent/cps-agent", "demo", "--json", user=USER))["card"]["test"]
    shutil.rmtree(debian.root / "srv/cps-agent")


def test_frozen_folder_carries_what_is_ours_alone(built):
    names = {path.name for path in built.frozen.rglob("*")}
    assert not any(name.startswith("libpcsclite") for name in names)  # must be the one of the machine's pcscd
    assert not any(name.startswith(("libgtk", "libQt6Network", "libQt6Qml", "libqtiff")) for name in names)
    assert {"libqxcb.so", "libqwayland.so"} <= names
    assert not [path for path in built.frozen.rglob("*") if path.is_symlink() and not path.exists()]
    size = sum(path.stat().st_size for path in built.frozen.rglob("*") if not path.is_symlink())
    assert size < 165e6


def test_installs_without_recommended_packages(installed):
    assert installed.run("dpkg-query", "-W", "-f=${Status}", "cps-agent") == "install ok installed"
    assert installed.run("/usr/bin/cps-agent", "--version", user=USER).startswith("cps-agent ")
    assert installed.run("dpkg", "--verify", "cps-agent") == ""
    assert "Prête votre carte" in installed.run("env", "LANG=fr_FR.UTF-8", "cps-agent", "--help", user=USER)


def test_nobody_but_root_can_change_what_is_installed(installed):
    listed = installed.run("dpkg", "-L", "cps-agent").split("\n")
    files = [path for path in listed if "cps-agent" in path and path != "/."]
    assert len(files) > 150
    for path in files:
        status = (installed.root / path[1:]).lstat()
        assert (status.st_uid, status.st_gid) == (0, 0), path
        assert stat.S_ISLNK(status.st_mode) or not status.st_mode & 0o7022, path


def test_no_library_is_looked_for_in_the_builders_folders(installed):
    listed = [installed.root / path[1:] for path in installed.run("dpkg", "-L", "cps-agent").split("\n")]
    elf = [str(path) for path in listed if ".so" in path.suffixes and path.is_file() and not path.is_symlink()]
    said = subprocess.run(["readelf", "-d", *elf], capture_output=True, text=True, check=True).stdout
    paths = [
        line.rpartition("[")[2].rstrip("]") for line in said.splitlines() if "(RUNPATH)" in line or "(RPATH)" in line
    ]
    assert all(part.startswith("$ORIGIN") for path in paths for part in path.split(":"))


def test_demo_as_a_user_and_openssl_gets_the_systems_libraries(installed):
    """PyInstaller's launcher sets LD_LIBRARY_PATH; a program that the agent starts must not inherit that."""
    spy = installed.root / "usr/local/bin/openssl"
    spy.write_text('#!/bin/sh\nenv >>/tmp/openssl-env\nexec /usr/bin/openssl "$@"\n')
    spy.chmod(0o755)
    path = "PATH=/usr/local/bin:/usr/bin:/bin"
    say_ok(installed.run("env", path, "cps-agent", "demo", "--json", user=USER))
    seen = (installed.root / "tmp/openssl-env").read_text()
    assert path in seen
    assert "LD_LIBRARY_PATH" not in seen
    say_ok(installed.run("env", path, "LD_LIBRARY_PATH=/mine", "cps-agent", "demo", "--json", user=USER))
    assert "LD_LIBRARY_PATH=/mine\n" in (installed.root / "tmp/openssl-env").read_text()
    spy.unlink()


@contextlib.contextmanager
def started(system: BareDebian, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program as the user until the block ends; it must then end by itself, and well, on SIGTERM."""
    command = system.command("sh", "-c", 'echo $$; exec "$@"', "sh", *words, user=USER)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout
    pid = process.stdout.readline().strip()
    try:
        yield process
    finally:
        system.run("sh", "-c", f"kill {pid}")
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 0, said


def wait_for_agent(system: BareDebian, process: subprocess.Popen[str], data_dir: str) -> None:
    end = time.monotonic() + 60
    while not (system.root / data_dir[1:] / "port").exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)


def test_agent_serves_a_user_and_ends_on_sigterm(installed):
    data_dir = f"/home/{USER}/agent-data"
    flags = ("--virtual", "--unattended", "--port", "0", "--data-dir", data_dir)
    with started(installed, "cps-agent", "serve", *flags) as process:
        wait_for_agent(installed, process, data_dir)
        status = json.loads(installed.run("cps-agent", "status", "--json", "--data-dir", data_dir, user=USER))
        assert status["name"] == "cps-agent"
        installed.run("cps-agent", "restart", "--data-dir", data_dir, user=USER)  # the frozen program, in place
        (installed.root / "home" / USER / "ordonnance.txt").write_text("Ordonnance\n")
        installed.run("cps-agent", "sign", f"/home/{USER}/ordonnance.txt", "--data-dir", data_dir, user=USER)
    assert (installed.root / "home" / USER / "ordonnance.txt.p7s").read_bytes()[:1] == b"\x30"
    assert not (installed.root / data_dir[1:] / "port").exists()


def test_agent_runs_where_no_smart_card_service_does(installed):
    data_dir = f"/home/{USER}/no-service"
    with started(installed, "cps-agent", "serve", "--port", "0", "--data-dir", data_dir) as process:
        wait_for_agent(installed, process, data_dir)
        installed.run("cps-agent", "cards", "--data-dir", data_dir, user=USER, code=4)


def find_agent(system: BareDebian, data_dir: str) -> str:
    """The process id, inside, of the agent whose environment names the folder."""
    look = (
        'for p in /proc/[0-9]*; do grep -qs "$0" $p/environ && grep -qs serve $p/cmdline && echo ${p#/proc/}; done; :'
    )
    return system.run("sh", "-c", look, data_dir).strip()


def test_autostart_entry_starts_the_agent_where_no_user_manager_runs(installed):
    """No screen either: the tray says so once, ends well, and the agent lives on."""
    entry = (installed.root / AUTOSTART[1:]).read_text()
    (command,) = [line.partition("=")[2] for line in entry.splitlines() if line.startswith("Exec=")]
    data_dir = f"/home/{USER}/autostarted"
    settings = ["CPS_AGENT_VIRTUAL=1", "CPS_AGENT_UNATTENDED=1", "CPS_AGENT_PORT=0", f"CPS_AGENT_DATA_DIR={data_dir}"]
    installed.run("env", *settings, command, user=USER)
    try:
        end = time.monotonic() + 60
        while not (installed.root / data_dir[1:] / "port").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        assert json.loads((installed.root / data_dir[1:] / "tray/told.json").read_text())["noTray"]
    finally:
        installed.run("sh", "-c", f"kill {find_agent(installed, data_dir)}")


def test_autostart_entry_is_valid():
    entry = PROJECT / "installer/linux/debian/cps-agent-tray.desktop"
    done = subprocess.run(["desktop-file-validate", str(entry)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_policy_is_read_and_decides_nothing_yet(installed):
    path = installed.root / POLICY[1:]
    shipped = path.read_text()
    assert tomllib.loads(shipped) == {}
    examples = tomllib.loads(re.sub("^#(?=[a-z])", "", shipped, flags=re.MULTILINE))
    assert examples.keys() <= CONVERTERS.keys()
    for name, value in examples.items():
        read = CONVERTERS[name](value)
        assert (list(map(str, read)) if isinstance(read, tuple) else read) == value
    path.write_text("port = 'somewhere'\n")
    installed.run("cps-agent", "serve", "--port", "0", user=USER, code=1)
    path.write_text(shipped)


def test_unit_is_valid_and_enabled_for_every_user(installed):
    installed.run(*APT, "install", "systemd", timeout_s=300)  # a workstation has it; the bare Debian does not
    verify = ("env", "XDG_RUNTIME_DIR=/run", "systemd-analyze", "verify", "--user")
    for unit in (UNIT, SOCKET):
        done = subprocess.run(installed.command(*verify, unit), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert UNIT.endswith(str((installed.root / LINK[1:]).readlink()))  # by way of /lib or of /usr/lib
    assert installed.run("systemctl", "--global", "is-enabled", "cps-agent.service") == "enabled\n"


def test_administrators_disabling_outlives_an_upgrade(installed):
    installed.run("systemctl", "--global", "disable", "cps-agent.service")
    installed.run(*APT, "install", "--reinstall", "/tmp/cps-agent.deb", timeout_s=300)
    assert not os.path.lexists(installed.root / LINK[1:])
    installed.run("systemctl", "--global", "enable", "cps-agent.service")


def test_removal_leaves_settings_and_purge_nothing(installed, files_before):
    installed.run(*APT, "remove", "cps-agent", timeout_s=300)
    left = {path for path in installed.files() if "cps-agent" in path and not path.startswith("/home/")}
    assert not {path for path in left if path.startswith("/usr/")}
    assert {POLICY, AUTOSTART} <= left  # Debian keeps settings until the purge
    installed.run(*APT, "purge", "cps-agent", "systemd", timeout_s=300)
    installed.run(*APT, "autoremove", "--purge", timeout_s=300)
    left = {path for path in installed.files() - files_before if not path.startswith("/home/")}
    assert not {path for path in left if "cps" in path}
    assert (installed.root / "home" / USER / "agent-data").is_dir()  # the person's own
