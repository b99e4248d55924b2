"""Routes that use the card: codes, authentications, signatures; each call is an entry of the journal."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence

from aiohttp import web

from agent.access.callers import Ability, Caller, CallerKind
from agent.access.consents import asker_of
from agent.access.origin import parse_origin
from agent.api.callers import is_page, name_caller, refuse_ungranted_page, require, require_card_in_reader
from agent.api.context import Call, call, services
from agent.api.problems import CallError
from agent.api.schemas import (
    LARGE_BODY,
    AuthenticationBody,
    PinBody,
    SignatureBody,
    document_content,
    document_digest,
    read_body,
)
from agent.api.uploads import MULTIPART, read_upload
from agent.api.views import pin_view, signature_view
from agent.authentication.web_eid import make_token
from agent.cards.card import load_certificate
from agent.cards.uses import UnlockedKey, UseRequest
from agent.people.prompt import Action
from agent.signing.documents import Document, NamedDigest, Signature
from agent.signing.raw import sign_raw
from drivers.base import KeyRole

PIN_ACTIONS = {"verify": Action.VERIFY_PIN, "change": Action.CHANGE_PIN, "unblock": Action.UNBLOCK_PIN}


async def use_pin(request: web.Request) -> web.Response:
    """POST /v1/pin/{verify,change,unblock}: the dialog asks for the codes; answers the state of the code."""
    state = _begin(request, Ability.IDENTITY)
    body = await read_body(request, PinBody)
    caller = await require(request, Ability.IDENTITY)
    require_card_in_reader(caller, body.card_number)
    uses, verb = services(request).uses, request.path.rsplit("/", 1)[1]
    use = UseRequest(asker_of(caller), PIN_ACTIONS[verb], state.record, card_number=body.card_number)
    status = await {"verify": uses.verify_pin, "change": uses.change_pin, "unblock": uses.unblock_pin}[verb](use)
    return web.json_response({"cardNumber": state.record.card_number, "pin": pin_view(status)})


async def authenticate(request: web.Request) -> web.Response:
    """POST /v1/authentications: a Web eID token for the page's origin, or for one that a program names."""
    state = _begin(request, Ability.AUTHENTICATE)
    body = await read_body(request, AuthenticationBody)
    caller, origin, behalf = await _authentication_origin(request, body)
    state.record.subject = origin
    use = UseRequest(
        asker_of(caller),
        Action.AUTHENTICATE,
        state.record,
        subjects=(origin,),
        format=body.format,
        on_behalf_of=behalf,
        card_number=body.card_number,
    )

    async def make(key: UnlockedKey) -> web.Response:
        if is_page(caller):
            services(request).grants.require(caller, Ability.AUTHENTICATE)
        return web.json_response(await make_token(key, origin, body.challenge_nonce))

    return await services(request).uses.sign(use, KeyRole.AUTHENTICATION, make)


async def _authentication_origin(request: web.Request, body: AuthenticationBody) -> tuple[Caller, str, str | None]:
    """Caller, origin to sign, and the same origin again when a program speaks for it: then a fresh consent is asked."""
    caller = await name_caller(request)
    if caller.kind is CallerKind.PAGE:
        if body.origin is not None:
            raise CallError("a page authenticates for its own origin; leave the member origin out")
        return await require(request, Ability.AUTHENTICATE), caller.name, None
    if body.origin is None:
        raise CallError("a program names the site by the member origin")
    origin = parse_origin(body.origin).text
    return caller, origin, origin


async def sign(request: web.Request) -> web.Response:
    """POST /v1/signatures: sign documents in a format, with one code for all of them."""
    state = _begin(request, Ability.SIGN)
    body, documents = await _read_signature_body(request)
    names = tuple(document.name for document in body.documents)
    sizes = tuple(document.size for document in documents)
    state.record.subject = ", ".join(names)[:255]
    plan = _plan_raw(body) if body.format == "raw" else _CmsPlan(request, documents, detached=body.detached)
    ability = Ability.SIGN_RAW if body.format == "raw" else Ability.SIGN
    caller = await require(request, ability)
    action = Action.SIGN_RAW if body.format == "raw" else Action.SIGN
    use = UseRequest(
        asker_of(caller),
        action,
        state.record,
        subjects=names,
        sizes=sizes,
        format=_shown_format(body),
        card_number=body.card_number,
    )

    async def make(key: UnlockedKey) -> list[Signature]:
        services(request).grants.require(caller, ability)  # taken back while the person was asked
        return await plan(key)

    signatures = await services(request).uses.sign(use, KeyRole.SIGNATURE, make)
    return web.json_response({"signatures": [signature_view(signature) for signature in signatures]})


async def _read_signature_body(request: web.Request) -> tuple[SignatureBody, list[Document]]:
    """Read what is to be signed, from JSON or from an upload; no documents for the format raw."""
    if request.content_type == MULTIPART:
        return await read_upload(request)
    body = await read_body(request, SignatureBody, LARGE_BODY)
    if body.format == "raw":
        return body, []
    return body, [Document.of(document.name, document_content(document)) for document in body.documents]


def _shown_format(body: SignatureBody) -> str:
    return "RSA" if body.format == "raw" else "CMS / CAdES-B"


class _RawPlan:
    """Sign hashes."""

    def __init__(self, digests: Sequence[NamedDigest]) -> None:
        self._digests = digests

    async def __call__(self, key: UnlockedKey) -> list[Signature]:
        return await sign_raw(key, self._digests)


class _CmsPlan:
    """Sign contents."""

    def __init__(self, request: web.Request, documents: Sequence[Document], *, detached: bool) -> None:
        self._chains = services(request).trust.chains
        self._documents = documents
        self._detached = detached

    async def __call__(self, key: UnlockedKey) -> list[Signature]:
        cms = await asyncio.to_thread(importlib.import_module, "agent.signing.cms")
        certificate = load_certificate(key.info.certificate_der)
        chain = self._chains.find(certificate, key.card.token.authorities_der) or ()
        options = cms.CmsOptions(detached=self._detached, chain_der=chain)
        signatures: list[Signature] = await cms.sign_cms(key, self._documents, options)
        return signatures


def _plan_raw(body: SignatureBody) -> _RawPlan:
    if body.level is not None:
        raise CallError("format raw has no level")
    return _RawPlan([NamedDigest(document.name, document_digest(document)) for document in body.documents])


def _begin(request: web.Request, ability: Ability) -> Call:
    refuse_ungranted_page(request, ability)
    state = call(request)
    state.is_use = True
    return state
