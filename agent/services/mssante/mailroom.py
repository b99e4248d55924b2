"""Whose mailbox a login opens: the password says which, the session of Pro Santé Connect says for whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.services.catalog import Mailbox
from agent.services.mssante.dialogue import ServerLine
from agent.services.mssante.doorstep import Credentials
from agent.services.mssante.errors import LoginNeededError, OtherPersonError, PasswordRefusedError
from agent.services.mssante.passwords import BridgePasswords
from agent.services.mssante.sessions import AccessToken, MailSession, MailSessions, xoauth2
from agent.services.mssante.upstream import Protocol, Upstream, log_in


@dataclass(frozen=True, slots=True)
class OpenMailbox:
    """A line to the mail server, logged in for the mailbox's holder; `words` are the server's."""

    name: str
    session: MailSession
    line: ServerLine
    words: str


@dataclass(frozen=True, slots=True)
class Mailroom:
    """The mailboxes of the catalog, by their names."""

    mailboxes: Mapping[str, Mailbox]
    passwords: BridgePasswords
    sessions: MailSessions
    upstream: Upstream

    def find(self, credentials: Credentials) -> str:
        """The name of the mailbox that they open. Raises PasswordRefusedError."""
        name = self.passwords.find(self._named(credentials.user), self.mailboxes, credentials.password)
        if name is None:
            raise PasswordRefusedError
        return name

    async def open(self, name: str, protocol: Protocol) -> OpenMailbox:
        """Log in to its server. Raises MailError."""
        mailbox = self.mailboxes[name]
        session = session_for(mailbox, self.sessions)
        line = await self.upstream.connect(protocol.address_of(mailbox), protocol)
        try:
            token = await take_token(session)
            words = await log_in(line, protocol, xoauth2(mailbox.address, token.text))
            require_on(session)
        except BaseException:
            line.abort()
            raise
        return OpenMailbox(name, session, line, words)

    def _named(self, user: str) -> Iterator[str]:
        """Several may have one address: that of a structure, which each of its holders opens as himself."""
        wanted = user.casefold()
        return (name for name, box in self.mailboxes.items() if wanted in (name, box.address.casefold()))


def session_for(mailbox: Mailbox, sessions: MailSessions) -> MailSession:
    """The session of the mailbox's holder. Raises LoginNeededError, OtherPersonError."""
    session = sessions.find(mailbox)
    if session is None or session.is_over:
        raise LoginNeededError
    if session.person != mailbox.holder:
        raise OtherPersonError
    return session


async def take_token(session: MailSession) -> AccessToken:
    """A fresh token of a session that has not ended meanwhile. Raises LoginNeededError."""
    token = await session.token()
    require_on(session)
    return token


def require_on(session: MailSession) -> None:
    """Raise LoginNeededError once the session is over: it may have ended while something was waited for."""
    if session.is_over:
        raise LoginNeededError
