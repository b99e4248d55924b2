"""Listening sockets on 127.0.0.1 and ::1, with one port for both, and nowhere else."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Final

BACKLOG: Final = 64


class PortTakenError(Exception):
    """No port that may be used is free on both loopback families; `ports` are those that were tried."""

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__(f"taken by another program: {', '.join(map(str, ports))}")
        self.ports = tuple(ports)


def bind_loopback(ports: Sequence[int]) -> list[socket.socket]:
    """Sockets on one of these ports for both families; for IPv4 alone where the system has no IPv6."""
    for port in ports:
        for _ in range(20 if port == 0 else 1):
            sockets = _bind_both(port)
            if sockets:
                return sockets
    raise PortTakenError(ports)


def _bind_both(port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        sockets.append(_bind(socket.AF_INET, "127.0.0.1", port))
        sockets.append(_bind(socket.AF_INET6, "::1", sockets[0].getsockname()[1]))
    except OSError as error:
        if sockets and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return sockets
        for opened in sockets:
            opened.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return []
        raise
    return sockets


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows: nobody may share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
