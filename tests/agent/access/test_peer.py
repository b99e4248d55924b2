"""Who is at the other end: the tables of /proc as text, then real sockets of this process, a child and another user."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from agent.access import peer as peer_module
from agent.access.errors import PeerRefusedError
from agent.access.peer import Endpoint, Peer, UnsupportedPeerFinder, peer_finder
from agent.access.procfs import LinuxPeerFinder, find_in_table, parse_endpoint, parse_row, program_name, read_program

NOBODY = 65534
HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
as_root = pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root can become another user")


def row(local, remote, *, state="01", uid=1000, inode=4242):
    return f"   1: {local} {remote} {state} 00000000:00000000 00:00000000 00000000 {uid:5} 0 {inode} 1 0000 20 4 30 10 -1\n"


# 127.0.0.1 port 50000 (C350) to 127.0.0.1 port 27710 (6C3E), as a little-endian machine prints it.
CLIENT, AGENT = "0100007F:C350", "0100007F:6C3E"
OURS, THEIRS = Endpoint("127.0.0.1", 27710), Endpoint("127.0.0.1", 50000)


@pytest.mark.parametrize(
    ("text", "byteorder", "endpoint"),
    [
        ("0100007F:6C3E", "little", Endpoint("127.0.0.1", 27710)),
        ("7F000001:6C3E", "big", Endpoint("127.0.0.1", 27710)),
        ("00000000000000000000000001000000:6C3E", "little", Endpoint("::1", 27710)),
        ("00000000000000000000000000000001:6C3E", "big", Endpoint("::1", 27710)),
        ("0000000000000000FFFF00000100007F:6C3E", "little", Endpoint("127.0.0.1", 27710)),
        ("B80D0120000000000000000001000000:0050", "little", Endpoint("2001:db8::1", 80)),
    ],
)
def test_an_endpoint_is_read(text, byteorder, endpoint):
    assert parse_endpoint(text, byteorder) == endpoint


def test_a_row_is_read():
    read = parse_row(row(CLIENT, AGENT))
    assert (read.local, read.remote, read.state, read.peer) == (THEIRS, OURS, 1, Peer(1000, 4242))


def test_the_clients_side_of_the_connection_is_found():
    table = HEADER + row(AGENT, CLIENT, uid=0, inode=1) + row(CLIENT, AGENT)
    assert find_in_table(table, OURS, THEIRS) == {Peer(1000, 4242)}


@pytest.mark.parametrize(
    "table",
    [
        "",
        HEADER,
        HEADER + row(AGENT, CLIENT),
        HEADER + row(CLIENT, AGENT, state="06"),
        HEADER + row(CLIENT, AGENT, state="0A"),
        HEADER + row("0200007F:C350", AGENT),
        HEADER + row("0100007F:C351", AGENT),
    ],
    ids=["empty", "header", "own side only", "time-wait", "listening", "another address", "another port"],
)
def test_nothing_else_is_taken_for_the_client(table):
    assert find_in_table(table, OURS, THEIRS) == set()


def proc_with(folder: Path, tcp: str) -> LinuxPeerFinder:
    (folder / "self" / "net").mkdir(parents=True)
    (folder / "self" / "net" / "tcp").write_text(HEADER + tcp)
    return LinuxPeerFinder(folder, find_owner=lambda *_: None)


def test_a_machine_without_ipv6_has_one_table_only(tmp_path):
    assert proc_with(tmp_path, row(CLIENT, AGENT)).find_peer(OURS, THEIRS) == Peer(1000, 4242)


def test_a_connection_the_system_does_not_know_is_refused(tmp_path):
    with pytest.raises(PeerRefusedError):
        proc_with(tmp_path, "").find_peer(OURS, THEIRS)


def test_a_socket_without_owner_is_refused_though_its_uid_reads_zero(tmp_path):
    with pytest.raises(PeerRefusedError):
        proc_with(tmp_path, row(CLIENT, AGENT, uid=0, inode=0)).find_peer(OURS, THEIRS)


def test_two_owners_of_one_connection_are_refused(tmp_path):
    rows = row(CLIENT, AGENT, uid=1000) + row(CLIENT, AGENT, uid=1001, inode=7)
    with pytest.raises(PeerRefusedError):
        proc_with(tmp_path, rows).find_peer(OURS, THEIRS)


def test_tables_that_cannot_be_read_are_a_refusal(tmp_path):
    (tmp_path / "self" / "net" / "tcp").mkdir(parents=True)
    with pytest.raises(PeerRefusedError):
        LinuxPeerFinder(tmp_path, find_owner=lambda *_: None).find_peer(OURS, THEIRS)


@pytest.mark.parametrize(
    ("link", "exists", "name"),
    [
        ("/usr/bin/firefox", True, "/usr/bin/firefox"),
        ("/usr/bin/firefox (deleted)", False, "/usr/bin/firefox"),
        ("/opt/odd (deleted)", True, "/opt/odd (deleted)"),
        ("/opt/\udce9t\udce9", True, "/opt/\\xe9t\\xe9"),
    ],
    ids=["plain", "upgraded", "odd name", "not UTF-8"],
)
def test_a_program_is_named_by_its_path(link, exists, name):
    assert program_name(link, exists=exists) == name


def test_a_mapped_address_of_the_accepted_socket_is_read_as_ipv4():
    assert Endpoint.from_sockaddr(("::ffff:127.0.0.1", 27710, 0, 0)) == OURS


def test_a_system_without_lookup_refuses_everybody(monkeypatch):
    monkeypatch.setattr(peer_module.sys, "platform", "plan9")
    finder = peer_finder()
    assert isinstance(finder, UnsupportedPeerFinder)
    assert finder.find_program(Peer(0, 1)) is None
    with pytest.raises(PeerRefusedError, match="plan9"):
        finder.find_peer(OURS, THEIRS)


FAMILIES = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]


@contextmanager
def listening(family, host):
    with socket.create_server((host, 0), family=family) as server:
        server.settimeout(10)
        yield server


def look_up(accepted: socket.socket) -> Peer:
    ends = Endpoint.from_sockaddr(accepted.getsockname()), Endpoint.from_sockaddr(accepted.getpeername())
    return peer_finder().find_peer(*ends)


@linux
@pytest.mark.parametrize(("family", "host"), FAMILIES)
def test_this_process_is_found_by_user_and_by_program(family, host):
    with listening(family, host) as server, socket.create_connection(server.getsockname()[:2]) as client:
        accepted, _ = server.accept()
        with closing(accepted):
            peer = look_up(accepted)
            assert peer == Peer(os.geteuid(), os.fstat(client.fileno()).st_ino)
            peer.require_same_user()
            assert peer_finder().find_program(peer) == str(Path("/proc/self/exe").readlink())


@linux
def test_an_ipv6_socket_that_reaches_ipv4_is_found():
    with listening(*FAMILIES[0]) as server, socket.socket(socket.AF_INET6) as client:
        client.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        accepted, _ = server.accept()
        with closing(accepted):
            assert look_up(accepted).inode == os.fstat(client.fileno()).st_ino


@linux
def test_a_connection_the_client_has_closed_is_refused():
    with listening(*FAMILIES[0]) as server:
        socket.create_connection(server.getsockname()).close()
        accepted, _ = server.accept()
        with closing(accepted), pytest.raises(PeerRefusedError):
            look_up(accepted)


CHILD = """
import os, socket, sys
uid = int(sys.argv[3])
"localhost".encode("idna")  # loads the codec while Python's own folder can still be read
if uid:
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
sys.stdin.read()
"""


@contextmanager
def child_connection(server: socket.socket, uid: int = 0):
    host, port = server.getsockname()[:2]
    command = [sys.executable, "-I", "-S", "-c", CHILD, host, str(port), str(uid)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        accepted, _ = server.accept()
        with closing(accepted):
            yield accepted, child
        child.stdin.close()


@linux
@pytest.mark.parametrize(("family", "host"), FAMILIES)
def test_a_child_process_is_found_by_its_program(family, host):
    with listening(family, host) as server, child_connection(server) as (accepted, child):
        peer = look_up(accepted)
        peer.require_same_user()
        assert peer_finder().find_program(peer) == str(Path(f"/proc/{child.pid}/exe").readlink())


@linux
@as_root
@pytest.mark.parametrize(("family", "host"), FAMILIES)
def test_another_user_is_refused(family, host):
    with listening(family, host) as server, child_connection(server, NOBODY) as (accepted, _):
        peer = look_up(accepted)
        assert peer.uid == NOBODY
        with pytest.raises(PeerRefusedError):
            peer.require_same_user()


def test_root_is_another_user_too(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PeerRefusedError):
        Peer(uid=0, inode=1).require_same_user()


def make_process(proc: Path, pid: int, exe: str, inode: int) -> None:
    files = proc / str(pid) / "fd"
    files.mkdir(parents=True)
    (files / "0").symlink_to("/dev/null")
    (files / "3").symlink_to(f"socket:[{inode}]")
    (proc / str(pid) / "exe").symlink_to(exe)


@linux
def test_a_socket_that_two_programs_share_names_neither(tmp_path):
    make_process(tmp_path, 10, "/usr/bin/one", 4242)
    make_process(tmp_path, 11, "/usr/bin/one", 4242)
    finder, peer = LinuxPeerFinder(tmp_path, find_owner=lambda *_: None), Peer(os.geteuid(), 4242)
    assert finder.find_program(peer) == "/usr/bin/one"
    make_process(tmp_path, 12, "/usr/bin/two", 4242)
    assert finder.find_program(peer) is None


@linux
def test_a_process_that_ends_during_the_search_is_passed_over(tmp_path):
    make_process(tmp_path, 10, "/usr/bin/one", 4242)
    (tmp_path / "10" / "exe").unlink()
    (tmp_path / "11").mkdir()
    (tmp_path / "version").touch()
    assert LinuxPeerFinder(tmp_path, find_owner=lambda *_: None).find_program(Peer(os.geteuid(), 4242)) is None


MOUNT = """
mount --bind "$1" "$2" || exit 9
test "$3" = stay && { echo mounted; exec cat; }
exec "$2"
"""


def _may_mount() -> bool:
    command = ["unshare", "--mount", "mount", "--bind", "/dev/null", "/dev/zero"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


may_mount = pytest.mark.skipif(
    sys.platform != "linux" or (not os.environ.get("CI") and not _may_mount()), reason="nobody may mount here"
)


@pytest.fixture
def disguise(tmp_path):
    """A browser of this system, and malware that is to have its path."""
    browser, malware = tmp_path / "browser", tmp_path / "malware"
    browser.write_text("the browser of this system")
    shutil.copy(shutil.which("cat"), malware)
    return browser, malware


@contextmanager
def talking(command, says=b"it runs\n"):
    """A program that says what it hears."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if says:
            process.stdin.write(says)
            process.stdin.flush()
        assert process.stdout.readline()
        yield Path(f"/proc/{process.pid}")
        process.stdin.close()


@may_mount
def test_attack_a_program_with_mounts_of_its_own_has_no_name(disguise):
    browser, malware = disguise
    with talking(["unshare", "--mount", "sh", "-c", MOUNT, "sh", malware, browser, "run"]) as process:
        assert (process / "exe").readlink() == browser
        assert read_program(process) == ""
        malware.unlink()
        assert read_program(process) == f"{browser} (deleted)"


@may_mount
def test_attack_a_program_started_from_the_mounts_of_another_has_no_name(disguise):
    """It lives among our mounts, and its file does not."""
    browser, malware = disguise
    holder = ["unshare", "--mount", "sh", "-c", MOUNT, "sh", malware, browser, "stay"]
    with talking(holder, says=b"") as other, talking([f"{other}/root{browser}"]) as process:
        assert (process / "exe").readlink() == browser
        assert (process / "ns/mnt").readlink() == Path("/proc/self/ns/mnt").readlink()
        assert read_program(process) == ""
        malware.unlink()
        assert read_program(process) == f"{browser} (deleted)"


@may_mount
def test_a_program_of_this_system_in_a_box_is_itself(disguise):
    """As in a snap: mounts of its own, and the same files."""
    _, program = disguise
    with talking(["unshare", "--mount", "sh", "-c", 'exec "$1"', "sh", program]) as process:
        assert read_program(process) == str(program)


@linux
def test_an_upgraded_program_keeps_its_path(disguise):
    _, program = disguise
    with talking([program]) as process:
        assert read_program(process) == str(program)
        program.unlink()
        assert read_program(process) == str(program)
        program.write_text("a newer one")
        assert read_program(process) == str(program)
