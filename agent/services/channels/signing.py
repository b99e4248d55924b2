"""One signature for one handshake: asked for in its thread, made where the card is used."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from agent.cards.uses import UnlockedKey
from agent.services.tls.errors import NotResumedError
from drivers.base import Digest

SAMPLE: Final = Digest("sha256", hashlib.sha256().digest())
"""What every key for TLS can sign, whatever else it can: refused before a code is asked, where one cannot."""


class HandshakeSigner:
    """Lends an unlocked key to a handshake for the length of a block, and for one signature.

    `is_wanted`: whether there is still a use for it, looked at when the server has asked.
    """

    def __init__(self, key: UnlockedKey, is_wanted: Callable[[], bool] = lambda: True) -> None:
        self._key = key
        self._is_wanted = is_wanted
        self._loop = asyncio.get_running_loop()
        self._left = 1
        self._signing: asyncio.Task[bytes] | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """From now on the code is no code any more: a thread that was left behind gets nothing signed."""
        self._left = 0
        if self._signing is not None:
            self._signing.cancel()

    def sign(self, digest: Digest) -> bytes:
        """Sign, from another thread than the event loop's. Raises what UnlockedKey.sign raises; NotResumedError."""
        return asyncio.run_coroutine_threadsafe(self._sign(digest), self._loop).result()

    async def _sign(self, digest: Digest) -> bytes:
        if not self._left or not self._is_wanted():
            raise NotResumedError("the key signs one handshake, once")
        self._left -= 1
        self._signing = asyncio.ensure_future(self._key.sign(digest))
        return await self._signing
