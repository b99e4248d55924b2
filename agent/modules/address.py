"""Where the door of a run listens, and who answers there."""

from __future__ import annotations

import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.modules.surroundings import Surroundings

SOCKET: Final = "p11-kit.sock"
ANSWER_S: Final = 2.0
_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~/")


@dataclass(frozen=True, slots=True)
class Door:
    """The agent's own address, and what is known of it now.

    `answers`: a server of the protocol is there. `default`: the path that p11-kit's client tries by itself, None
    without a runtime folder. `default_holder`: the process that listens there, 0 when nobody does.
    """

    path: Path
    answers: bool
    default: Path | None
    default_holder: int
    default_is_ours: bool

    @property
    def client_finds_it(self) -> bool:
        """Whether p11-kit-client.so reaches this agent without being told where: now, or once the agent runs."""
        return self.default is not None and (self.default_is_ours or not self.default_holder)


def find_door(where: Surroundings) -> Door:
    """Look at both addresses; nothing is asked of who listens but the protocol's first byte."""
    own = own_path(where)
    holder, answers = _knock(own)
    default = default_path(where)
    default_holder = _knock(default)[0] if default is not None else 0
    ours = bool(holder) and holder == default_holder
    return Door(own, answers, default, default_holder, ours)


def own_path(where: Surroundings) -> Path:
    """The address that is always the agent's."""
    if where.own_data_dir or where.runtime is None:
        return where.data_dir / SOCKET
    return where.runtime / "cps-agent" / SOCKET


def default_path(where: Surroundings) -> Path | None:
    """Where p11-kit's client looks by itself; a run with a data folder of its own does not listen there."""
    if where.own_data_dir or where.runtime is None:
        return None
    return where.runtime / "p11-kit" / "pkcs11"


def to_address(path: Path) -> str:
    """The address as p11-kit writes it: bytes other than plain ones as %XX."""
    raw = str(path).encode(errors="surrogateescape")
    return "unix:path=" + "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in raw)


def _knock(path: Path) -> tuple[int, bool]:
    """The process that listens (0: none) and whether it speaks the protocol: a version byte for a version byte."""
    if sys.platform != "linux":
        return 0, False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(ANSWER_S)
        try:
            client.connect(str(path))
            peer = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            holder = int(struct.unpack("3i", peer)[0])
        except (OSError, ValueError):
            return 0, False
        try:
            client.sendall(b"\0")
            return holder, len(client.recv(1)) == 1
        except OSError:
            return holder, False
