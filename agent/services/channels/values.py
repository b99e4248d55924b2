"""What goes out on a channel, and what comes back."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum

Headers = tuple[tuple[str, str], ...]
"""Names and values in their order, as they stand on the wire."""

Body = bytes | AsyncIterable[bytes] | None


class ChannelEnd(StrEnum):
    """Why a channel ended; the journal's word for it."""

    CARD_GONE = "card-removed"
    AWAY = "person-away"
    LOCKED = "locked"
    REVOKED = "grant-revoked"
    EXPIRED = "time-over"
    CLOSED = "closed"
    STOPPED = "agent-stopped"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request. `target`: path and query as they go on the wire, beginning with "/"; nothing of it is changed.

    `headers`: without Host; Content-Length is sent as given, and a body without one goes in chunks.
    """

    method: str
    target: str
    headers: Headers = field(default=(), repr=False)
    body: Body = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """What does not begin with a slash would go on with the name of the host."""
        if not self.target.startswith("/"):
            raise ValueError(self.target)


@dataclass(frozen=True, slots=True)
class Incoming:
    """The head of an answer, and its body as it comes: never decompressed, and read once.

    Reading raises ServiceTimeoutError, AnswerCutError, ChannelEndedError.
    """

    status: int
    reason: str
    headers: Headers = field(repr=False)
    body: AsyncIterator[bytes] = field(repr=False)
