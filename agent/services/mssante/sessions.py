"""The seam to whoever logs people in: sessions of Pro Santé Connect, as far as a mailbox needs them."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from agent.services.catalog import Mailbox


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that is good now. `repr` does not show it."""

    text: str = field(repr=False)
    expires_at: datetime


class MailSession(ABC):
    """Somebody who is logged in. `person`: the national id. All methods run in the event loop."""

    person: str

    @property
    @abstractmethod
    def is_over(self) -> bool:
        """Whether it has ended; it never begins again."""

    @abstractmethod
    async def token(self) -> AccessToken:
        """A fresh token. Raises LoginNeededError once the session is over, or when it could not be refreshed."""

    @abstractmethod
    def on_end(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Have `tell` called at the very moment of the end, or now if that has been. Gives what takes it back."""


class MailSessions(ABC):
    """Who is logged in for the agent's own mail."""

    @abstractmethod
    def find(self, mailbox: Mailbox) -> MailSession | None:
        """The session of the mailbox's client, whoever's it is."""


def xoauth2(user: str, token: str) -> str:
    """The initial response of SASL XOAUTH2, in base64."""
    return base64.b64encode(f"user={user}\1auth=Bearer {token}\1\1".encode()).decode()
