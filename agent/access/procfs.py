"""Find the peer of a loopback connection on Linux: proc_pid_net(5), files `tcp` and `tcp6`, and proc_pid_fd(5)."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.access.errors import PeerRefusedError
from agent.access.peer import Endpoint, Peer, PeerFinder
from agent.access.sockdiag import find_owner

TCP_ESTABLISHED = 0x01  # include/net/tcp_states.h

_TABLES = ("tcp", "tcp6")
_READS = 3  # the kernel gives the table page by page: a row can be missed while others come and go
_DELETED = " (deleted)"


OwnerFinder = Callable[[Endpoint, Endpoint], Peer | None]


@dataclass(frozen=True, slots=True)
class SocketRow:
    """One line of the table, seen from the owner of that socket."""

    local: Endpoint
    remote: Endpoint
    state: int
    peer: Peer


def parse_endpoint(text: str, byteorder: Literal["little", "big"] = sys.byteorder) -> Endpoint:
    """Read `0100007F:6C3E`: words of 32 bits as the machine holds them, then the port as a number."""
    words, port = text.split(":")
    packed = b"".join(int(words[at : at + 8], 16).to_bytes(4, byteorder) for at in range(0, len(words), 8))
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return Endpoint(str(mapped or address), int(port, 16))


def parse_row(line: str) -> SocketRow:
    """Read one line; the fields are: number, local, remote, state, queues, timer, retransmits, uid, timeout, inode."""
    fields = line.split()
    peer = Peer(uid=int(fields[7]), inode=int(fields[9]))
    return SocketRow(parse_endpoint(fields[1]), parse_endpoint(fields[2]), int(fields[3], 16), peer)


def find_in_table(table: str, local: Endpoint, remote: Endpoint) -> set[Peer]:
    """List the owners of the socket that goes from `remote` to `local`: the client's side has our two ends swapped."""
    ports = f":{remote.port:04X} ", f":{local.port:04X} "
    rows = [parse_row(line) for line in table.splitlines()[1:] if all(port in line for port in ports)]
    return {row.peer for row in rows if row.state == TCP_ESTABLISHED and (row.local, row.remote) == (remote, local)}


def program_name(link: str, *, exists: bool) -> str:
    """Read the `exe` link: an upgraded program keeps its old path, marked; what is not UTF-8 is spelt in escapes."""
    path = link if exists else link.removesuffix(_DELETED)
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_program(process: Path) -> str:
    """Name a process of /proc by its executable's path; "" where another file has that path here.

    Any user can have mounts of one's own (user_namespaces(7)), put any program at any path there, and start it from
    there or from here. A file on such a mount that is gone need not have been ours either: its mark stays, and it is
    called by no path of this system. Raises OSError for a process that has ended, or is not to be looked at.
    """
    exe = process / "exe"
    link = str(exe.readlink())
    if _is_on_own_mount(exe):  # no file system is asked, which may be one that does not answer
        return program_name(link, exists=not link.endswith(_DELETED) or os.path.lexists(link))
    return program_name(link, exists=True) if not os.path.lexists(link) or exe.samefile(link) else ""


def _is_on_own_mount(file: Path) -> bool:
    """Whether the mount that the file was opened on is one that we have (proc_pid_fdinfo(5), proc_pid_mountinfo(5))."""
    try:
        descriptor = os.open(file, os.O_PATH)
    except OSError:  # a link that leads nowhere, and is none of the kernel's
        return False
    try:
        told = Path(f"/proc/self/fdinfo/{descriptor}").read_text("ascii")
    finally:
        os.close(descriptor)
    mount = next((line.split()[1] for line in told.splitlines() if line.startswith("mnt_id:")), "")
    mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    return any(line.split(None, 1)[0] == mount for line in mounts)


class LinuxPeerFinder(PeerFinder):
    """Reads /proc. A script is known by its interpreter's path, since that is all that the system attests."""

    def __init__(self, proc: Path = Path("/proc"), find_owner: OwnerFinder = find_owner) -> None:
        self._proc = proc
        self._find_owner = find_owner

    def find_peer(self, local: Endpoint, remote: Endpoint) -> Peer:
        """Ask the kernel; where it has no sock_diag, read both tables: an IPv6 socket can reach 127.0.0.1 as well."""
        owner = self._find_owner(local, remote)
        if owner is not None:
            return owner
        for _ in range(_READS):
            peers = {peer for name in _TABLES for peer in find_in_table(self._read_table(name), local, remote)}
            if peers:
                return _only(peers)
        raise PeerRefusedError("the system knows no such connection")

    def find_program(self, peer: Peer) -> str | None:
        """Search the open files of this user's processes; None if two different programs share the socket."""
        names = {self._program_of(process) for process in self._list_holders(peer)} - {None}
        return names.pop() or None if len(names) == 1 else None

    def _read_table(self, name: str) -> str:
        try:
            return (self._proc / "self" / "net" / name).read_text("ascii")
        except FileNotFoundError:  # no IPv6 on this machine
            return ""
        except OSError as error:
            raise PeerRefusedError(f"the system does not show its connections: {error.strerror}") from error

    def _list_holders(self, peer: Peer) -> Iterator[Path]:
        target = f"socket:[{peer.inode}]"
        for process in self._proc.iterdir():
            if process.name.isdecimal() and target in _list_links(process / "fd", peer.uid):
                yield process

    def _program_of(self, process: Path) -> str | None:
        try:
            return read_program(process)
        except OSError:  # ended meanwhile, or not to be looked at
            return None


def _only(peers: set[Peer]) -> Peer:
    """Take the one owner; a socket without inode has no owner yet or no longer, and its uid reads 0."""
    if len(peers) > 1 or any(peer.inode == 0 for peer in peers):
        raise PeerRefusedError("the system does not name one owner of the connection")
    return peers.pop()


def _list_links(folder: Path, uid: int | str) -> Iterator[str]:
    """List where the open files of one process lead; nothing for a process of somebody else or one that has ended."""
    try:
        entries = list(folder.iterdir()) if folder.stat().st_uid == uid else []
    except OSError:
        return
    for entry in entries:
        try:
            yield str(entry.readlink())
        except OSError:
            continue
