"""A login on another device, as a program asks for it and as the person answers it."""

from __future__ import annotations

import asyncio
from typing import Any

from support.agent import Answer
from support.psc_desk import PscDesk

DEADLINE_S = 20.0
CIBA = {"format": "psc", "client": "logiciel", "way": "ciba"}


def ring(desk: PscDesk, **body: Any) -> asyncio.Task[Answer]:
    return asyncio.create_task(desk.agent.program("POST", "/v1/authentications", {**CIBA, **body}))


async def heard(desk: PscDesk, login: asyncio.Task[Answer]) -> dict[str, Any]:
    """The call at the person's phone, once it is there."""
    async with asyncio.timeout(DEADLINE_S):
        while not (calls := desk.provider.tell("calls")):
            assert not login.done(), login.result().body
            await asyncio.sleep(0.02)
    (call,) = calls
    return dict(call)


async def answered(desk: PscDesk, login: asyncio.Task[Answer], **answer: Any) -> Answer:
    call = await heard(desk, login)
    desk.provider.tell("answerCall", id=call["id"], **answer)
    return await asyncio.wait_for(login, DEADLINE_S)
