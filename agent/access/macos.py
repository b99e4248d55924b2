"""Find the peer of a loopback connection on macOS, by its own `lsof`, which shows a user that user's processes only.

Nobody has run it on a real machine yet; the reading of lsof's fields is tested with text.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Iterator

from agent.access.errors import PeerRefusedError
from agent.access.peer import Endpoint, Peer, PeerFinder

LSOF = "/usr/sbin/lsof"
LSOF_TIMEOUT_S = 5.0
PROC_PIDPATHINFO_MAXSIZE = 4096  # libproc.h


def list_connections(fields: str) -> Iterator[tuple[Peer, str]]:
    """Read lsof's field output (-F pun): `p` and `u` open a process, each `n` names one of its connections."""
    process = uid = 0
    for line in fields.splitlines():
        kind, value = line[:1], line[1:]
        if kind == "p":
            process = int(value)
        elif kind == "u":
            uid = int(value)
        elif kind == "n":
            yield Peer(uid, process), value


def spell_connection(local: Endpoint, remote: Endpoint) -> frozenset[str]:
    """Spell a connection as lsof does, for IPv4 also as a socket of the IPv6 family shows it."""
    plain = f"{_spell(local)}->{_spell(remote)}"
    mapped = f"[::ffff:{local.host}]:{local.port}->[::ffff:{remote.host}]:{remote.port}"
    return frozenset({plain, mapped})


def run_lsof(port: int) -> str:
    """List the established connections of this user that touch a port; lsof ends with 1 when there is none."""
    command = [LSOF, "-nP", "-a", f"-iTCP:{port}", "-sTCP:ESTABLISHED", "-Fpun"]
    try:
        return subprocess.run(
            command, capture_output=True, check=False, timeout=LSOF_TIMEOUT_S, encoding="utf-8", errors="replace"
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerRefusedError("the system does not show its connections") from error


class MacPeerFinder(PeerFinder):
    """A peer's `inode` is the number of the process."""

    def __init__(self, list_open: Callable[[int], str] = run_lsof) -> None:
        self._list_open = list_open

    def find_peer(self, local: Endpoint, remote: Endpoint) -> Peer:
        """Look for the client's side; a process that shares its socket with another is not told apart, so refused."""
        wanted = spell_connection(remote, local)
        peers = {peer for peer, name in list_connections(self._list_open(remote.port)) if name in wanted}
        if len(peers) != 1:
            raise PeerRefusedError("the system does not name one owner of the connection")
        return peers.pop()

    def find_program(self, peer: Peer) -> str | None:
        """Call proc_pidpath of libproc."""
        buffer = ctypes.create_string_buffer(PROC_PIDPATHINFO_MAXSIZE)
        length = ctypes.CDLL("/usr/lib/libproc.dylib").proc_pidpath(peer.inode, buffer, len(buffer))
        return buffer.raw[:length].decode("utf-8", "backslashreplace") if length > 0 else None


def _spell(end: Endpoint) -> str:
    return f"[{end.host}]:{end.port}" if ":" in end.host else f"{end.host}:{end.port}"
