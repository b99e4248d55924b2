"""Routes for what the DMP and INSi ask of a card: one question, one code, one signature each."""

from __future__ import annotations

from aiohttp import web

from agent.access.callers import Ability
from agent.access.consents import asker_of
from agent.api.asserting import Plan, make_assertion, plan_insi, plan_vihf
from agent.api.callers import require, require_card_in_reader
from agent.api.context import Call, services
from agent.api.dmp_schemas import InsiBody, SubmissionBody, SubmittedBody, VihfBody
from agent.api.dmp_terms import read_submission
from agent.api.schemas import LARGE_BODY, read_body
from agent.api.signing import still_granted
from agent.api.using import begin
from agent.api.views import signature_view
from agent.cards.uses import UseRequest
from agent.people.prompt import Action
from agent.signing.words import Scheme
from agent.signing.workshop import Task

SUBMISSION_SHOWN = "DMP (XAdES 1.1.1)"


async def sign_submission(request: web.Request) -> web.Response:
    """POST /v1/dmp/submission-signature: the detached signature of a DMP submission set and its documents."""
    state = begin(request, Ability.SIGN)
    body = await read_body(request, SubmissionBody, LARGE_BODY)
    terms, documents = read_submission(body)
    state.record.subject = f"DMP {terms.set_oid}"
    caller = await require(request, Ability.SIGN)
    is_seen = len(documents) == len(terms.entries)
    if not is_seen:
        state.record.action = str(Action.SIGN_DIGESTS)
    use = UseRequest(
        asker_of(caller),
        Action.SIGN if is_seen else Action.SIGN_DIGESTS,
        state.record,
        subjects=tuple(map(_show_document, body.documents)),
        sizes=tuple(document.size or 0 for document in documents) if is_seen else (),
        format=SUBMISSION_SHOWN,
        card_number=body.card_number,
    )
    task = Task("dmp-submission", terms, documents, count=1, hash_name=terms.hash)
    require_card_in_reader(caller, use.card_number)
    granted = still_granted(request, caller, Ability.SIGN)
    (signature,) = await services(request).signing.desk.sign(use, task, Scheme.RS256, granted)
    return web.json_response({"signature": signature_view(signature)})


async def assert_vihf(request: web.Request) -> web.Response:
    """POST /v1/assertions/vihf: a VIHF for the DMP; in direct mode the card tells who asks, and from where."""
    state = begin(request, Ability.SIGN)
    return await _assert(request, state, plan_vihf(await read_body(request, VihfBody)))


async def assert_insi(request: web.Request) -> web.Response:
    """POST /v1/assertions/insi: the assertion that INSi takes of the card's holder."""
    state = begin(request, Ability.SIGN)
    return await _assert(request, state, plan_insi(await read_body(request, InsiBody)))


async def _assert(request: web.Request, state: Call, plan: Plan) -> web.Response:
    state.record.subject = plan.subject
    caller = await require(request, Ability.SIGN)
    return web.json_response({"assertion": signature_view(await make_assertion(request, caller, plan, state.record))})


def _show_document(document: SubmittedBody) -> str:
    return document.id if document.name is None else f"{document.name} ({document.id})"
