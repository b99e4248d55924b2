"""Who is at the other end of a loopback connection: the operating system's answer, never the caller's own."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from agent.access.errors import PeerRefusedError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a TCP connection: an address without zone, IPv4 in dotted form also when it came mapped in IPv6."""

    host: str
    port: int

    @classmethod
    def from_sockaddr(cls, sockaddr: tuple[Any, ...]) -> Endpoint:
        """Take the two members that `getsockname` and `getpeername` share between IPv4 and IPv6."""
        host, port = sockaddr[:2]
        return cls(str(host).removeprefix("::ffff:"), int(port))


@dataclass(frozen=True, slots=True)
class Peer:
    """The owner of the client's socket (on Windows a SID), and the number by which the system leads on to the program.

    `inode` is the socket's on Linux, elsewhere the number of the process.
    """

    uid: int | str
    inode: int

    def require_same_user(self) -> None:
        """Refuse everybody else, root included: another user has no business with this user's card."""
        if self.uid != own_user():
            raise PeerRefusedError("the connection comes from another user of this workstation")


class PeerFinder(ABC):
    """Asks the operating system about connections; blocks for some milliseconds: call it away from the event loop."""

    @abstractmethod
    def find_peer(self, local: Endpoint, remote: Endpoint) -> Peer:
        """Find who connected `remote` to our `local`; raise PeerRefusedError when the system does not know."""

    @abstractmethod
    def find_program(self, peer: Peer) -> str | None:
        """Find the executable that holds the peer's socket; None when nobody can tell. Slow: ask only when needed."""


class UnsupportedPeerFinder(PeerFinder):
    """Refuses every connection, on a system for which the look-up is not written."""

    def find_peer(self, local: Endpoint, remote: Endpoint) -> Peer:  # noqa: ARG002 - the seam's
        """Refuse."""
        raise PeerRefusedError(f"not available: no way is known to tell who connects on {sys.platform}")

    def find_program(self, peer: Peer) -> str | None:  # noqa: ARG002 - the seam's
        """Know nobody."""
        return None


def own_user() -> int | str:
    """Name the user whom this process runs as, in the way `Peer.uid` does."""
    user: int | str
    if sys.platform == "win32":
        from agent.access.winapi import own_sid  # noqa: PLC0415 - loads on Windows only

        user = own_sid()
    else:
        user = os.geteuid()
    return user


def peer_finder() -> PeerFinder:
    """Choose the look-up of this operating system; each loads its own only."""
    make = {"linux": _linux, "win32": _windows, "darwin": _macos}.get(sys.platform, UnsupportedPeerFinder)
    return make()


def _linux() -> PeerFinder:
    from agent.access.procfs import LinuxPeerFinder  # noqa: PLC0415

    return LinuxPeerFinder()


def _windows() -> PeerFinder:
    finder: PeerFinder = UnsupportedPeerFinder()
    if sys.platform == "win32":
        from agent.access.winapi import NativeWindowsApi  # noqa: PLC0415
        from agent.access.windows import WindowsPeerFinder  # noqa: PLC0415

        finder = WindowsPeerFinder(NativeWindowsApi())
    return finder


def _macos() -> PeerFinder:
    from agent.access.macos import MacPeerFinder  # noqa: PLC0415

    return MacPeerFinder()
