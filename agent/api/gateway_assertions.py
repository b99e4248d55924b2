"""A caller's SOAP message on its way through the gateway gets the assertion that the caller asks for by a header.

The header holds, in base64, the JSON of `POST /v1/assertions/vihf` or `/insi`, without `envelope`. The person is asked
as by those routes, and before anything goes to the service.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from aiohttp import web

from agent.access.callers import Ability, Caller
from agent.access.journal import OK, JournalEntry
from agent.api.asserting import Plan, make_assertion, plan_insi, plan_vihf
from agent.api.callers import require
from agent.api.context import call, services
from agent.api.dmp_schemas import InsiBody, VihfBody
from agent.api.problems import CallError
from agent.api.schemas import parse_body
from agent.api.soap_bodies import SOAP, HeldMessage, hold_message
from agent.cards.card import Card
from agent.cards.software import is_software_number
from agent.cards.uses import UseRecord
from agent.services.catalog import Assertion, Service
from agent.services.channels.values import Headers
from agent.signing.documents import Document

HEADER: Final = "CPS-Agent-Assertion"
CARD_HEADER: Final = "CPS-Agent-Card"
ACTIONS: Final = {Assertion.VIHF: "sign-vihf", Assertion.INSI: "sign-insi"}
"""As the routes are called that hand the same assertions back."""

B = TypeVar("B", VihfBody, InsiBody)


def wants_assertion(request: web.Request) -> bool:
    """Whether the caller asks for an assertion."""
    return HEADER in request.headers


@dataclass(frozen=True, slots=True)
class Wanted:
    """An assertion that is wanted for a message, which was looked at; `action`: the journal's word for making it."""

    plan: Plan
    message: HeldMessage
    action: str


async def look(request: web.Request, caller: Caller, service: Service) -> Wanted:
    """Take in what is asked, and the message as far as its envelope goes; refuse what can be refused before a code.

    Raises CallError, InsError, UnsupportedMediaError, EnvelopeRefusedError, GrantRefusedError.
    """
    plan, kind = _read_plan(request, service)
    message = await hold_message(request)
    plan = plan.within(Document.of("message", message.envelope, SOAP), service.url)
    await services(request).signing.desk.look(caller, [plan.task])
    await require(request, Ability.SIGN)
    return Wanted(plan, message, ACTIONS[kind])


async def prepare(
    request: web.Request, caller: Caller, wanted: Wanted, card: Card | None = None
) -> tuple[Headers, AsyncIterator[bytes]]:
    """Give the body with the assertion in its envelope, and the headers that replace the request's own about it.

    Those are Content-Length, or none where the body goes in chunks. `card`: the one that has opened TLS, which signs
    unless the caller names another. Raises what making an assertion raises.
    """
    plan = wanted.plan
    if plan.card_number is None and card is not None and not card.is_software:
        plan = replace(plan, card_number=card.number)
    content = await _make(request, caller, plan, wanted.action)
    body, length = wanted.message.with_envelope(content)
    return (() if length is None else (("Content-Length", str(length)),)), body


def _read_plan(request: web.Request, service: Service) -> tuple[Plan, Assertion]:
    """What the header asks for. Raises CallError, InsError."""
    kind = service.assertion
    if kind is None:
        raise CallError("this service takes no assertion: the catalog names none for it")
    content = _decode(request.headers.getall(HEADER))
    plan = plan_vihf(_read(content, VihfBody)) if kind is Assertion.VIHF else plan_insi(_read(content, InsiBody))
    number = request.headers.get(CARD_HEADER)
    if plan.card_number is None and number is not None and not is_software_number(number):
        plan = replace(plan, card_number=number)  # the card that opens TLS signs as well
    return plan, kind


def _decode(values: list[str]) -> bytes:
    if len(values) != 1:
        raise CallError(f"{HEADER} is given once")
    try:
        return base64.b64decode(values[0].encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise CallError(f"{HEADER} is not base64") from error


def _read(content: bytes, kind: type[B]) -> B:
    body = parse_body(content, kind)
    if body.envelope is not None:
        raise CallError(f"{HEADER} has no envelope: the message on its way is one")
    return body


async def _make(request: web.Request, caller: Caller, plan: Plan, action: str) -> bytes:
    """The message with the assertion, which is an entry of the journal of its own; a refusal is the request's."""
    record, began_s = UseRecord(action, subject=plan.subject), time.monotonic()
    try:
        signature = await make_assertion(request, caller, plan, record)
    except Exception:
        told = call(request).record
        told.card_number, told.exchanges, told.code_given = record.card_number, record.exchanges, record.code_given
        raise
    connection = call(request).connection
    await services(request).journal.record(
        JournalEntry(
            action,
            caller.name,
            OK,
            through=connection.program if connection else None,
            card_number=record.card_number,
            subject=record.subject,
            exchanges=record.exchanges or None,
            duration_ms=round((time.monotonic() - began_s) * 1000),
        )
    )
    return signature.content
