"""The seam between channels and TLS: lines to a service, with one key or none."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from agent.services.catalog import Service
from agent.services.tls.key import Sign
from drivers.base import KeyInfo

P = TypeVar("P", bound=asyncio.Protocol)


class Dialer(ABC):
    """Connects, shakes hands, and puts a protocol on the line. Raises TlsError.

    `has_key` False: nothing is ever signed, and any handshake may be a whole one.
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


class Dialers(ABC):
    """Makes them."""

    @abstractmethod
    async def require(self) -> None:
        """Raise TlsUnavailableError where no key can be used: before anybody is asked for its code."""

    @abstractmethod
    def make(self, service: Service, key: KeyInfo | None) -> Dialer:
        """One for that service and key, whose sessions nobody else sees."""
