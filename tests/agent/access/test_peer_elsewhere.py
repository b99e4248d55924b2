"""The look-ups of Windows and macOS, with tables and fields written by hand after the systems' own documentation."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
from contextlib import closing

import pytest

from agent.access import macos
from agent.access import peer as peer_module
from agent.access.errors import PeerRefusedError
from agent.access.macos import MacPeerFinder, list_connections, run_lsof
from agent.access.peer import Endpoint, Peer, peer_finder
from agent.access.tcptable import AF_INET, AF_INET6, MIB_TCP_STATE_ESTAB, find_process
from agent.access.windows import WindowsApi, WindowsPeerFinder

OURS, THEIRS = Endpoint("127.0.0.1", 27710), Endpoint("127.0.0.1", 50000)
OURS6, THEIRS6 = Endpoint("::1", 27710), Endpoint("::1", 50000)
TIME_WAIT = 11


def word_of(port: int) -> int:
    """A port in network order in the low half, and rubbish in the high one, which Windows leaves undefined."""
    return 0xBEEF0000 | int.from_bytes(port.to_bytes(2, "big"), "little")


def row4(local, remote, process, state=MIB_TCP_STATE_ESTAB):
    ends = [(socket.inet_aton(end.host), word_of(end.port)) for end in (local, remote)]
    return struct.pack("<I4sI4sII", state, *ends[0], *ends[1], process)


def row6(local, remote, process, state=MIB_TCP_STATE_ESTAB):
    (a, b), (c, d) = [(socket.inet_pton(socket.AF_INET6, end.host), word_of(end.port)) for end in (local, remote)]
    return struct.pack("<16sII16sIIII", a, 0, b, c, 0, d, state, process)


def table(*rows):
    return struct.pack("<I", len(rows)) + b"".join(rows) + bytes(100)


class StandInApi(WindowsApi):
    def __init__(self, ipv4=b"", ipv6=b""):
        self.tables = {AF_INET: ipv4 or table(), AF_INET6: ipv6 or table()}

    def read_table(self, family):
        return self.tables[family]

    def user_of(self, process):
        return f"S-1-5-21-{process}"

    def program_of(self, process):
        return f"C:\\{process}.exe"


def test_windows_the_clients_side_is_found_in_ipv4():
    rows = table(row4(OURS, THEIRS, 1), row4(THEIRS, OURS, 7))
    finder = WindowsPeerFinder(StandInApi(ipv4=rows))
    peer = finder.find_peer(OURS, THEIRS)
    assert peer == Peer("S-1-5-21-7", 7)
    assert finder.find_program(peer) == "C:\\7.exe"


def test_windows_the_clients_side_is_found_in_ipv6():
    rows = table(row6(OURS6, THEIRS6, 1), row6(THEIRS6, OURS6, 7))
    assert WindowsPeerFinder(StandInApi(ipv6=rows)).find_peer(OURS6, THEIRS6) == Peer("S-1-5-21-7", 7)


def test_windows_a_mapped_address_is_found():
    mapped = [Endpoint(f"::ffff:{end.host}", end.port) for end in (THEIRS, OURS)]
    assert find_process(table(row6(*mapped, 7)), AF_INET6, OURS, THEIRS) == {7}


@pytest.mark.parametrize(
    "rows",
    [
        table(),
        table(row4(OURS, THEIRS, 7)),
        table(row4(THEIRS, OURS, 7, TIME_WAIT)),
        table(row4(THEIRS, OURS, 7), row4(THEIRS, OURS, 8)),
    ],
    ids=["nothing", "own side only", "time-wait", "two owners"],
)
def test_windows_anything_but_one_owner_is_refused(rows):
    with pytest.raises(PeerRefusedError):
        WindowsPeerFinder(StandInApi(ipv4=rows)).find_peer(OURS, THEIRS)


LSOF_FIELDS = """p100
u501
f10
n127.0.0.1:27710->127.0.0.1:50000
p200
u502
f3
n127.0.0.1:50000->127.0.0.1:27710
f4
n[::1]:50000->[::1]:27710
p300
u503
f5
n[::ffff:127.0.0.1]:50001->[::ffff:127.0.0.1]:27710
"""


def test_macos_fields_are_read():
    assert list(list_connections(LSOF_FIELDS))[:2] == [
        (Peer(501, 100), "127.0.0.1:27710->127.0.0.1:50000"),
        (Peer(502, 200), "127.0.0.1:50000->127.0.0.1:27710"),
    ]


@pytest.mark.parametrize(
    ("local", "remote", "peer"),
    [
        (OURS, THEIRS, Peer(502, 200)),
        (OURS6, THEIRS6, Peer(502, 200)),
        (OURS, Endpoint("127.0.0.1", 50001), Peer(503, 300)),
    ],
    ids=["IPv4", "IPv6", "mapped"],
)
def test_macos_the_clients_side_is_found(local, remote, peer):
    assert MacPeerFinder(lambda port: LSOF_FIELDS).find_peer(local, remote) == peer


@pytest.mark.parametrize("fields", ["", "p100\nu501\nf10\nn127.0.0.1:27710->127.0.0.1:50000\n", LSOF_FIELDS * 2])
def test_macos_anything_but_one_owner_is_refused(fields):
    shared = fields.replace("p200", "p201", 1)
    with pytest.raises(PeerRefusedError):
        MacPeerFinder(lambda port: shared).find_peer(OURS, THEIRS)


def test_macos_without_lsof_everybody_is_refused(monkeypatch):
    monkeypatch.setattr(macos, "LSOF", "/nowhere/lsof")
    with pytest.raises(PeerRefusedError):
        run_lsof(50000)


def test_macos_an_lsof_that_hangs_is_a_refusal(monkeypatch):
    def hang(*args, **kwargs):
        raise subprocess.TimeoutExpired("lsof", 5)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(PeerRefusedError):
        run_lsof(50000)


@pytest.mark.skipif(shutil.which("lsof") is None, reason="needs lsof, which speaks alike on Linux and macOS")
def test_macos_a_real_lsof_shows_this_process(monkeypatch):
    monkeypatch.setattr(macos, "LSOF", shutil.which("lsof"))
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        accepted, _ = server.accept()
        with closing(accepted):
            ends = [Endpoint.from_sockaddr(end) for end in (accepted.getsockname(), accepted.getpeername())]
            assert MacPeerFinder().find_peer(*ends) == Peer(os.geteuid(), os.getpid())


def test_macos_is_chosen_on_macos(monkeypatch):
    monkeypatch.setattr(peer_module.sys, "platform", "darwin")
    assert isinstance(peer_finder(), MacPeerFinder)
