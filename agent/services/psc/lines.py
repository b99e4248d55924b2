"""Connections in which a client's certificate proves who it is (RFC 8705 §2): the caller's channel to each host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.cards.uses import UseRequest
from agent.fetching import AnswerTooLargeError, FetchTimeoutError, Request, Response
from agent.services.catalog import Service
from agent.services.channels.calls import call
from agent.services.channels.errors import AnswerBrokenError, AnswerCutError, ServiceTimeoutError
from agent.services.psc.oauth import IssuerAnswerError, IssuerUnreachableError
from agent.services.tls.errors import ServerUnreachableError

if TYPE_CHECKING:
    from agent.services.channels.channels import Channels

MINUTES: Final = 30
"""As long as a login can be renewed: whoever has said yes to it is not asked again for each of its tokens."""


class ClientLines:
    """Small exchanges on kept connections. All methods run in the event loop."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._services: dict[str, Service] = {}

    async def call(self, use: UseRequest, name: str, service: Service, request: Request) -> Response:
        """Exchange one request; the person is asked where no channel is open, and that takes its time.

        Raises IssuerUnreachableError, IssuerAnswerError, and what Channels.open raises besides.
        """
        known = self._services.setdefault(name, service)  # channels know a service as the object that it is
        try:
            channel = await self._channels.open(use, name, known, MINUTES)
            return await call(channel, request)
        except (ServerUnreachableError, ServiceTimeoutError, AnswerCutError, FetchTimeoutError) as error:
            raise IssuerUnreachableError(str(error) or type(error).__name__) from error
        except (AnswerBrokenError, AnswerTooLargeError) as error:
            raise IssuerAnswerError(str(error)) from error
