"""The module files, read by p11-kit itself, which reaches through them a server of its own protocol."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.desks import make_profile

from agent.modules.address import find_door, to_address
from agent.modules.kit import KitFile
from agent.modules.libraries import Library, find_installed
from agent.modules.nss import NssDatabase
from agent.modules.others import p11_kit_card_libraries
from agent.modules.record import Record
from agent.modules.surroundings import Surroundings
from agent.modules.values import NAME, ModulesError, State

needs_kit = pytest.mark.skipif(not shutil.which("p11-kit"), reason="needs p11-kit")


@pytest.fixture
def where(tmp_path: Path) -> Surroundings:
    home, run = tmp_path / "home", tmp_path / "run"
    home.mkdir()
    run.mkdir(mode=0o700)
    address, common = run / "cps-agent/p11-kit.sock", run / "p11-kit/pkcs11"
    return Surroundings(home, home / ".config", home / ".local/share", home / "data", address, common)


class Listener:
    """Who listens at an address and answers each connection with some bytes."""

    def __init__(self, path: Path, answer: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen()
        self._answer = answer
        self.reached = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.reached.set()
            with client:
                if self._answer:
                    client.recv(1)
                    client.sendall(self._answer)


@pytest.fixture
def listen() -> Iterator[object]:
    listeners: list[Listener] = []

    def start(path: Path, answer: bytes = b"\0") -> Listener:
        listeners.append(Listener(path, answer))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.close()


def test_the_door_that_answers_and_the_default_path(where, listen):
    nobody = find_door(where)
    assert (nobody.answers, nobody.common_holder, nobody.client_finds_it) == (False, 0, True)
    listen(where.address)
    listen(where.common)
    ours = find_door(where)
    assert (ours.answers, ours.common_is_ours, ours.client_finds_it) == (True, True, True)
    assert find_installed(ours).wanted is Library.CLIENT


def test_somebody_else_at_the_default_path(where, listen):
    listen(where.common)
    door = find_door(where)
    assert (door.answers, door.common_holder, door.client_finds_it) == (False, os.getpid(), False)
    assert find_installed(door).wanted is Library.PROXY


def test_a_session_that_sends_programs_elsewhere(where):
    assert find_door(replace(where, told="unix:path=/elsewhere")).elsewhere == "unix:path=/elsewhere"
    assert find_door(replace(where, told=to_address(where.address))).elsewhere == ""


def test_who_says_nothing_is_no_door(where, listen):
    listen(where.address, b"")
    assert not find_door(where).answers


def test_a_run_that_does_not_listen_where_the_client_looks(where, listen):
    listen(where.address)
    door = find_door(replace(where, common=None))
    assert (door.answers, door.client_finds_it) == (True, False)
    assert find_installed(door).wanted is Library.PROXY


def test_a_path_that_is_too_long_is_nobodys(where):
    assert not find_door(replace(where, address=Path("/" + "x" * 200))).answers


def test_addresses_hold_plain_bytes_alone():
    assert to_address(Path("/run/é a%;#\n\udcff")) == "unix:path=/run/%C3%A9%20a%25%3B%23%0A%FF"


def test_written_repeated_and_removed(where, tmp_path):
    target = KitFile.of_user(where.memory / "p11-kit.sock", where, Record(where.memory))
    assert target.look().state is State.NOT_SET_UP
    (step,) = target.plan_setup()
    step.apply()
    assert target.look().state is State.SET_UP
    assert list(target.plan_setup()) == []
    target.place.path.write_text("remote: unix:path=/elsewhere\n")
    assert target.look().state is State.PARTLY
    (step,) = target.plan_removal()
    step.apply()
    assert list(where.home.iterdir()) == []


def test_a_folder_in_the_way(where):
    target = KitFile.of_user(where.memory / "p11-kit.sock", where, Record(where.memory))
    target.place.path.mkdir(parents=True)
    assert target.look().state is State.IMPOSSIBLE
    with pytest.raises(ModulesError):
        list(target.plan_setup())


def test_opensc_is_seen_until_it_is_hidden(where):
    machine = where.home.parent / "machine"
    (machine / "usr/share/p11-kit/modules").mkdir(parents=True)
    (machine / "usr/share/p11-kit/modules/opensc-pkcs11.module").write_text("# x\nmodule: opensc-pkcs11.so\n")
    where = replace(where, machine=machine)
    assert p11_kit_card_libraries(where) == ("opensc-pkcs11.so",)
    (where.config / "pkcs11/modules").mkdir(parents=True)
    (where.config / "pkcs11/modules/opensc-pkcs11.module").write_text("enable-in: nobody\n")
    assert p11_kit_card_libraries(where) == ()


@needs_kit
def test_p11_kit_reaches_the_address_of_the_file(where, listen, tmp_path):
    """An address with every kind of byte; the connection is what proves it, whatever is said over it then."""
    address = tmp_path / "run" / "a é%;#'\"=" / "p11-kit.sock"
    listener = listen(address)
    (step,) = KitFile.of_user(address, where, Record(where.memory)).plan_setup()
    step.apply()
    run_as_user(where, tmp_path, "p11-kit", "list-modules")
    assert listener.reached.wait(5)


@needs_kit
@pytest.mark.skipif(not shutil.which("modutil"), reason="needs libnss3-tools")
def test_nss_reaches_the_address_of_the_file_through_the_proxy(where, listen, tmp_path):
    """A run with a data folder of its own: the proxy reads the module file, whatever folder the socket is in."""
    address = tmp_path / "run" / "p11-kit.sock"
    listener = listen(address)
    (step,) = KitFile.of_user(address, where, Record(where.memory)).plan_setup()
    step.apply()
    database = make_profile(where.home / "profile")
    proxy = find_installed(find_door(replace(where, common=None))).library
    NssDatabase(database, Path(shutil.which("certutil")), Path(shutil.which("modutil"))).add_module(NAME, proxy)
    listener.reached.clear()
    run_as_user(where, tmp_path, "modutil", "-dbdir", f"sql:{database}", "-list")
    assert listener.reached.wait(5)


def run_as_user(where: Surroundings, tmp_path: Path, *command: str) -> str:
    """p11-kit reads no file of root's own: there another user reads it, and owns it."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(where.home), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "LC_ALL": "C.UTF-8"
    }  # fmt: skip
    become: list[str] = []
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "65534:65534", str(where.home), str(tmp_path / "run")], check=True)
        for folder in (tmp_path, *tmp_path.parents):
            if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
                folder.chmod(folder.stat().st_mode | 0o111)
        become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run([*become, *command], env=environment, capture_output=True, text=True, check=False, timeout=30)
    return done.stdout + done.stderr
