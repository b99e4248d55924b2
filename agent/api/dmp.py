"""Routes for what the DMP and INSi ask of a card: one question, one code, one signature each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec
from aiohttp import web

from agent.access.callers import Ability, Caller
from agent.access.consents import asker_of
from agent.api.callers import require, require_card_in_reader
from agent.api.context import services
from agent.api.dmp_schemas import InsiBody, SubmissionBody, SubmittedBody, VihfBody
from agent.api.dmp_terms import read_insi, read_submission, read_told, read_vihf
from agent.api.schemas import LARGE_BODY, read_body
from agent.api.signing import still_granted
from agent.api.using import begin
from agent.api.views import signature_view
from agent.cards.card import Card
from agent.cards.situations import read_with_key
from agent.cards.uses import UnlockedKey, UseRequest
from agent.people.prompt import Action, AssertionSummary
from agent.signing.dmp.bearer import Told, describe_bearer, require_person, require_structure_certificate
from agent.signing.dmp.terms import Coded, Envelope, InsiTerms, Professional, VihfTerms
from agent.signing.dmp.words import Mode
from agent.signing.errors import StructureRefusedError
from agent.signing.signing import Settle
from agent.signing.words import Scheme
from agent.signing.workshop import Task
from drivers.errors import NotSupportedError

DMP = "urn:dmp"
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
    return web.json_response({"signature": await _sign(request, caller, use, task)})


async def assert_vihf(request: web.Request) -> web.Response:
    """POST /v1/assertions/vihf: a VIHF for the DMP; in direct mode the card tells who asks, and from where."""
    state = begin(request, Ability.SIGN)
    body = await read_body(request, VihfBody)
    terms, told = read_vihf(body), read_told(body)
    state.record.subject = f"VIHF {terms.version}, {terms.mode}"
    caller = await require(request, Ability.SIGN)
    is_direct = terms.mode is Mode.DIRECT
    use = UseRequest(
        asker_of(caller),
        Action.ASSERT,
        state.record,
        card_number=body.card_number,
        admits=_choose_admission(request, caller, told) if is_direct else require_structure_certificate,
        assertion=_summarise_vihf(terms, told, body),
    )
    task = Task("vihf", terms, hash_name=terms.hash)
    settle = partial(_tell, terms, told) if is_direct else None
    return web.json_response({"assertion": await _sign(request, caller, use, task, settle)})


async def assert_insi(request: web.Request) -> web.Response:
    """POST /v1/assertions/insi: the assertion that INSi takes of the card's holder."""
    state = begin(request, Ability.SIGN)
    body = await read_body(request, InsiBody)
    terms = read_insi(body)
    state.record.subject = "INSi"
    caller = await require(request, Ability.SIGN)
    use = UseRequest(
        asker_of(caller),
        Action.ASSERT,
        state.record,
        card_number=body.card_number,
        admits=require_person,
        assertion=AssertionSummary("INSi", billing_id=terms.billing_id, recipient=_recipient(terms.envelope)),
    )
    task = Task("insi", terms, hash_name=terms.hash)
    return web.json_response({"assertion": await _sign(request, caller, use, task, partial(_name, terms))})


async def _sign(
    request: web.Request, caller: Caller, use: UseRequest, task: Task, settle: Settle | None = None
) -> dict[str, str]:
    require_card_in_reader(caller, use.card_number)
    granted: Callable[[], None] = still_granted(request, caller, Ability.SIGN)
    try:
        (signature,) = await services(request).signing.desk.sign(use, task, Scheme.RS256, granted, settle)
    except StructureRefusedError as error:
        if services(request).grants.allows(caller, Ability.IDENTITY):
            raise
        raise error.without_places() from error
    return signature_view(signature)


def _choose_admission(request: web.Request, caller: Caller, told: Told) -> Callable[[Card], None]:
    """What can be refused before a code is asked; who may not read the identity learns nothing by not being asked."""
    knows = services(request).grants.allows(caller, Ability.IDENTITY)
    return partial(_admit_known, told) if knows else require_person


def _admit_known(told: Told, card: Card) -> None:
    require_person(card)
    if card.memory.situations is not None:
        describe_bearer(card, card.memory.situations, told)


async def _tell(terms: VihfTerms, told: Told, key: UnlockedKey) -> Task:
    """The task with what the card tells, for which it takes the same code."""
    try:
        situations = await read_with_key(key)
    except NotSupportedError:  # a module that shows no data objects: the certificate may name a structure
        situations = ()
    professional, structure = describe_bearer(key.card, situations, told)
    whole = msgspec.structs.replace(terms, professional=professional, structure=structure)
    return Task("vihf", whole, hash_name=terms.hash)


async def _name(terms: InsiTerms, key: UnlockedKey) -> Task:
    whole = msgspec.structs.replace(terms, name_id=key.card.holder.national_id)
    return Task("insi", whole, hash_name=terms.hash)


def _show_document(document: SubmittedBody) -> str:
    return document.id if document.name is None else f"{document.name} ({document.id})"


def _summarise_vihf(terms: VihfTerms, told: Told, body: VihfBody) -> AssertionSummary:
    service = f"VIHF {terms.version}" if terms.resource == DMP else f"VIHF {terms.version} ({terms.resource})"
    return AssertionSummary(
        service,
        mode=terms.mode,
        professional=None if terms.professional is None else _show_professional(terms.professional),
        structure=told.structure_id,
        patient=None if body.patient is None else body.patient.ins,
        purpose=_show(terms.purpose),
        confidentiality=terms.confidentiality,
        reason=terms.access_reason,
        recipient=_recipient(terms.envelope),
    )


def _show_professional(who: Professional) -> str:
    return ", ".join((f"{who.name} ({who.id})", *map(_show, who.roles)))


def _show(coded: Coded) -> str:
    """The code itself too: what the caller calls it may be anything."""
    return coded.code if coded.display_name is None else f"{coded.display_name} [{coded.code}]"


def _recipient(envelope: Envelope | None) -> str | None:
    return envelope.to or None if envelope is not None else None
