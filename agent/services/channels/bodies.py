"""A request's body on its way: limited in what the service may leave lying, and its own failures told apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from agent.services.channels.cutting import Cut
from agent.services.channels.values import Body

TAKE_S: Final = 60.0
"""How long a service may leave a piece of a request lying. A caller may take its time over the next one."""


class Upload:
    """A body, given once: a second reading has nothing. `failure`: what the caller's side of it raised."""

    def __init__(self, body: Body, cut: Cut) -> None:
        self._body = body
        self._cut = cut
        self.failure: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the pieces as the service takes them."""
        body, self._body = self._body, None
        try:
            async for piece in _pieces(body):
                self._cut.allow(TAKE_S)
                yield piece
                self._cut.allow(None)
        except Exception as error:
            self.failure = error
            raise


async def _pieces(body: Body) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
    elif body is not None:
        async for piece in body:
            yield piece
