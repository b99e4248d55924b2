"""Mail servers for every test of this folder, and a bridge before them for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.mail_desk import MailDesk, MailServers, mail_desk, mail_servers, mailboxes


@pytest.fixture(scope="session")
def servers() -> Iterator[MailServers]:
    with mail_servers() as running:
        yield running


@pytest.fixture
async def desk(servers: MailServers, tmp_path: Path) -> AsyncIterator[MailDesk]:
    servers.good.clear()
    servers.smtp.sent.clear()
    boxes = mailboxes(servers.imap.host, servers.smtp.host)
    async with mail_desk(tmp_path, boxes, servers.good, servers.imap.authority, servers.smtp.authority) as running:
        yield running
