"""The seam between a channel and TLS: lines to one service, with one key or none."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from agent.services.tls.key import Sign

P = TypeVar("P", bound=asyncio.Protocol)


class Dialer(ABC):
    """Connects, shakes hands, and puts a protocol on the line. Raises the errors of agent.services.tls.

    `has_key` False: nothing is ever signed, and every handshake is a whole one.
    """

    has_key: bool

    @abstractmethod
    async def sign_in(self, factory: Callable[[], P], sign: Sign) -> P:
        """Shake hands with the key, which `sign` has unlocked for this once. Raises what `sign` raises, too."""

    @abstractmethod
    async def resume(self, factory: Callable[[], P]) -> P:
        """Take up the session of an earlier line; the key signs nothing. Raises NotResumedError."""

    @abstractmethod
    def close(self) -> None:
        """Forget the sessions."""
