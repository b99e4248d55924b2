"""A SOAP fault that a service answers with is explained in headers beside it, and noted in the journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

from aiohttp import web

from agent.access.journal import JournalEntry
from agent.api.callers import caller_text
from agent.api.context import call, services
from agent.api.gateway_headers import find
from agent.api.gateway_streams import peek
from agent.api.rows import set_french
from agent.services.catalog import Service
from agent.services.channels.values import Incoming
from agent.services.faults import Explanation, explain, is_decided, may_hold_fault

FAULT: Final = "CPS-Agent-Fault"
SENTENCE: Final = "CPS-Agent-Explanation"
SENTENCE_FR: Final = "CPS-Agent-Explanation-Fr"
ACTION: Final = "service-fault"


async def read_fault(
    request: web.Request, incoming: Incoming, service: Service
) -> tuple[dict[str, str], AsyncIterator[bytes]]:
    """Headers that explain the fault that the answer is, none where it is none; and the whole body, as it came."""
    kind, encoding = (find(incoming.headers, name) for name in ("content-type", "content-encoding"))
    if service.assertion is None or encoding is not None or not may_hold_fault(kind):
        return {}, incoming.body
    head, body = await peek(incoming.body, is_decided)
    explanation = explain(head, service)
    if explanation is None:
        return {}, body
    await _note(request, service, explanation)
    return _write(explanation), body


def _write(explanation: Explanation) -> dict[str, str]:
    sentences = {
        SENTENCE: explanation.sentence,
        SENTENCE_FR: explanation.sentence_fr and set_french(explanation.sentence_fr),
    }
    told = {name: quote(text) for name, text in sentences.items() if text is not None}
    return {FAULT: ", ".join(explanation.codes), **told}


async def _note(request: web.Request, service: Service, explanation: Explanation) -> None:
    """By the first code, which is the service's own word; the same again within a minute counts as one."""
    connection = call(request).connection
    await services(request).journal.record(
        JournalEntry(
            ACTION,
            caller_text(request),
            explanation.codes[0] if explanation.codes else ACTION,
            through=connection.program if connection else None,
            subject=f"{service.title} ({service.host})",
            by_person=False,
        )
    )
