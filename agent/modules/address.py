"""Where the door of a run listens, and who answers there."""

from __future__ import annotations

import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.modules.surroundings import Surroundings

ANSWER_S: Final = 2.0
_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~/")


@dataclass(frozen=True, slots=True)
class Door:
    """The agent's own address, and what is known of it now.

    `answers`: a server of the protocol is there. `common`: the path that p11-kit's client tries by itself, None where
    this run does not listen there. `common_holder`: the process that listens there, 0 when nobody does. `elsewhere`:
    where the session's variable P11_KIT_SERVER_ADDRESS sends every client instead, "" for nowhere else.
    """

    path: Path
    answers: bool
    common: Path | None
    common_holder: int
    common_is_ours: bool
    elsewhere: str = ""

    @property
    def client_finds_it(self) -> bool:
        """Whether p11-kit-client.so reaches this agent without being told where: now, or once the agent runs."""
        return self.common is not None and (self.common_is_ours or not self.common_holder)


def find_door(where: Surroundings) -> Door:
    """Look at both addresses; nothing is asked of who listens but the protocol's first byte."""
    holder, answers = _knock(where.address)
    common_holder = _knock(where.common)[0] if where.common is not None else 0
    ours = bool(holder) and holder == common_holder
    known = {to_address(path) for path in (where.address, where.common) if path is not None}
    elsewhere = "" if where.told in known else where.told
    return Door(where.address, answers, where.common, common_holder, ours, elsewhere)


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
