"""systemd as the keeper of programs' sockets: a child of ours would end with the service."""

from __future__ import annotations

import os
import socket

from agent.door.keeper import Keeper
from agent.servicemanager import PROGRAM, ServiceManager


class StoreKeeper(Keeper):
    """The store of descriptors of the agent's own unit; what a program closes is forgotten there by itself."""

    def __init__(self, manager: ServiceManager) -> None:
        super().__init__()
        self._manager = manager

    def adopt(self, pid: int, line: int) -> None:  # noqa: ARG002 - the seam's
        """See Keeper: systemd has what the child has."""
        os.close(line)

    def _make_ready(self) -> None:
        """It always is."""

    def _send(self, line: socket.socket) -> None:
        self._manager.store(PROGRAM, [line.fileno()])
