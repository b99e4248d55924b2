"""Find the peer of a loopback connection on Windows: the process in the TCP table, then the user of its token.

Nobody has run it on a real machine yet: the tables are tested with bytes, the rest with a stand-in for native calls.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from agent.access.errors import PeerRefusedError
from agent.access.peer import Endpoint, Peer, PeerFinder
from agent.access.tcptable import AF_INET, AF_INET6, find_process


class WindowsApi(ABC):
    """The native calls that the look-up needs."""

    @abstractmethod
    def read_table(self, family: int) -> bytes:
        """Read the TCP table with its processes; raise PeerRefusedError."""

    @abstractmethod
    def user_of(self, process: int) -> str:
        """Read the SID of the user whom a process runs as, as text; raise PeerRefusedError."""

    @abstractmethod
    def program_of(self, process: int) -> str | None:
        """Read the path of a process's executable."""


class WindowsPeerFinder(PeerFinder):
    """A peer's `uid` is a SID, its `inode` the number of the process."""

    def __init__(self, api: WindowsApi) -> None:
        self._api = api

    def find_peer(self, local: Endpoint, remote: Endpoint) -> Peer:
        """Look the connection up in both tables."""
        tables = {family: self._api.read_table(family) for family in (AF_INET, AF_INET6)}
        found = {process for family, table in tables.items() for process in find_process(table, family, local, remote)}
        if len(found) != 1:
            raise PeerRefusedError("the system does not name one owner of the connection")
        process = found.pop()
        return Peer(self._api.user_of(process), process)

    def find_program(self, peer: Peer) -> str | None:
        """Ask for the executable of the peer's process."""
        return self._api.program_of(peer.inode)
