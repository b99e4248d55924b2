"""What is sent and what comes back have secrets in them: no repr, and so no traceback and no log, shows these."""

from __future__ import annotations

from collections.abc import AsyncIterator

from agent.fetching import Request, Response
from agent.services.channels.values import Incoming, Outgoing

SECRET = "sup3r-secret"


async def _pieces() -> AsyncIterator[bytes]:
    yield SECRET.encode()


async def test_attack_nothing_secret_is_told_by_a_repr() -> None:
    headers = (("Authorization", f"Bearer {SECRET}"),)
    said: tuple[object, ...] = (
        Request("https://a.example/", "POST", headers, SECRET.encode()),
        Response(200, dict(headers), SECRET.encode()),
        Outgoing("POST", "/a", headers, SECRET.encode()),
        Incoming(200, "OK", headers, _pieces()),
    )
    for each in said:
        assert SECRET not in repr(each)
