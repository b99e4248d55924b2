"""Where the door listens: whose sockets it replaces, whose it leaves alone, and what it takes away."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.access.errors import StoreError
from agent.door.address import MAX_PATH_BYTES, DoorPaths, DoorUnavailableError, choose_paths
from agent.door.listening import AddressTakenError, Listener, is_alive

NOBODY = 65534
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


def names(path: Path) -> list[str]:
    """What stands in the folder."""
    return [entry.name for entry in path.parent.iterdir()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "p11-kit" / "pkcs11"


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    return folder


def test_usual_run_has_its_own_address_and_the_clients_default(tmp_path, runtime):
    paths = choose_paths(tmp_path, tmp_path, {"XDG_RUNTIME_DIR": str(runtime)})
    assert paths == DoorPaths(runtime / "cps-agent" / "p11-kit.sock", runtime / "p11-kit" / "pkcs11")


def test_run_with_a_folder_of_its_own_is_found_there_alone(tmp_path, runtime):
    paths = choose_paths(tmp_path / "data", tmp_path, {"XDG_RUNTIME_DIR": str(runtime)})
    assert paths == DoorPaths(tmp_path / "data" / "p11-kit.sock")


@pytest.mark.parametrize("folder", ["", "run", "/nonexistent", "/tmp", "/etc/hostname", "a\0b"])
def test_no_runtime_folder_or_one_that_is_not_the_users(tmp_path, runtime, monkeypatch, folder):
    monkeypatch.chdir(runtime.parent)
    paths = choose_paths(tmp_path, tmp_path, {"XDG_RUNTIME_DIR": folder})
    assert paths == DoorPaths(tmp_path / "p11-kit.sock")


@only_root
def test_runtime_folder_that_su_left_behind(tmp_path, runtime):
    os.chown(runtime, NOBODY, NOBODY)
    assert choose_paths(tmp_path, tmp_path, {"XDG_RUNTIME_DIR": str(runtime)}).common is None


def test_path_that_no_socket_can_have(tmp_path):
    with pytest.raises(DoorUnavailableError, match=str(MAX_PATH_BYTES)):
        choose_paths(tmp_path / ("x" * 108), tmp_path, {})


def test_system_for_which_it_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(DoorUnavailableError, match="win32"):
        choose_paths(tmp_path, tmp_path, {})


def test_free_address_is_closed_to_others_and_given_back(path):
    before = os.umask(0)
    try:
        listener = Listener.claim(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.lstat().st_mode) == 0o700
    assert names(path) == ["pkcs11"]
    assert is_alive(path)
    listener.close()
    assert names(path) == []


@pytest.fixture
def living(path: Path) -> Iterator[socket.socket]:
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        yield server


def test_server_that_lives_is_left_alone(path, living):
    before = path.lstat().st_ino
    with pytest.raises(AddressTakenError, match="another program"):
        Listener.claim(path)
    assert path.lstat().st_ino == before
    assert names(path) == ["pkcs11"]


def test_server_that_lives_but_is_busy_is_left_alone(path, living):
    living.listen(0)
    waiting = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for _ in range(3)]
    for line in waiting:
        line.connect_ex(str(path))
    with pytest.raises(AddressTakenError, match="another program"):
        Listener.claim(path)
    for line in waiting:
        line.close()


def test_dead_socket_of_ours_is_replaced(path, living):
    living.close()
    listener = Listener.claim(path)
    assert is_alive(path)
    assert names(path) == ["pkcs11"]
    listener.close()


@only_root
def test_dead_socket_of_somebody_else_is_left_alone(path, living):
    living.close()
    os.lchown(path, NOBODY, NOBODY)
    with pytest.raises(AddressTakenError, match="not a socket of this user"):
        Listener.claim(path)
    assert path.lstat().st_uid == NOBODY


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_is_no_socket_is_left_alone(path, kind):
    path.parent.mkdir(mode=0o700)
    {"file": path.touch, "link": lambda: path.symlink_to("elsewhere"), "folder": path.mkdir}[kind]()
    with pytest.raises(AddressTakenError, match="not a socket"):
        Listener.claim(path)
    assert os.path.lexists(path)


@only_root
def test_folder_of_somebody_else_is_not_used(path):
    path.parent.mkdir()
    os.chown(path.parent, NOBODY, NOBODY)
    with pytest.raises(StoreError):
        Listener.claim(path)


def test_socket_that_another_has_put_there_meanwhile_stays(path):
    listener = Listener.claim(path)
    path.unlink()
    other = Listener.claim(path)
    listener.close()
    assert is_alive(path)
    other.close()


RACER = """
import sys
from pathlib import Path
from agent.door.listening import AddressTakenError, Listener
path = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    listener = Listener.claim(path)
    print("has it", flush=True)
except AddressTakenError:
    print("taken", flush=True)
sys.stdin.read()
"""


def test_attack_two_agents_race_for_a_dead_address_and_one_has_it(path):
    for _ in range(3):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", RACER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(4)
        ]
        assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 4
        threads = [threading.Thread(target=lambda racer=racer: say(racer)) for racer in racers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        results = [racer.stdout.readline() for racer in racers]
        assert is_alive(path)
        assert results.count("has it\n") == 1
        assert names(path) == ["pkcs11"]
        for racer in racers:
            racer.communicate()


def say(racer: subprocess.Popen[str]) -> None:
    racer.stdin.write("go\n")
    racer.stdin.flush()
