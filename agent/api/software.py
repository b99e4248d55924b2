"""Routes about software certificates, for programs of this user alone: what is kept, imported and removed here."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from aiohttp import web

from agent.access.callers import Caller, CallerKind
from agent.access.consents import asker_of
from agent.access.errors import TokenRefusedError
from agent.api.callers import name_caller
from agent.api.certificates import state_view
from agent.api.context import Call, call, services
from agent.api.schemas import LARGE_BODY, ImportBody, read_body
from agent.api.views import base64_text, moment
from agent.cards.errors import CertificateNotFoundError
from agent.cards.keeping import Kept, is_target
from agent.certificates.trust import Trust

if TYPE_CHECKING:
    from drivers.software.pairs import Pair
    from drivers.software.token import SoftwareKey


async def list_software(request: web.Request) -> web.Response:
    """GET /v1/software-certificates: all that is kept, whatever it is for; for programs of this user alone."""
    await require_program(request)
    kept = await services(request).software.keeper.list_kept()
    trust = services(request).trust
    keys = await asyncio.to_thread(lambda: [key_view(key, trust) for key in kept.keys])
    pairs = [pair_view(pair) for pair in kept.pairs]
    return web.json_response({"certificates": keys, "damaged": list(kept.damaged), "pairs": pairs})


async def import_software(request: web.Request) -> web.Response:
    """POST /v1/software-certificates: keep what a file holds; the agent asks for its passphrase itself."""
    caller, state = await begin(request)
    body = await read_body(request, ImportBody, LARGE_BODY)
    state.record.subject = body.name
    desk = services(request).software
    entries = await desk.importer.import_file(asker_of(caller), desk.key_file(body.name, body.content, body.protection))
    state.record.code_given = True
    added = {entry.id for entry in entries}
    kept = await desk.keeper.list_kept()
    return answer_with_keys(request, added, kept)


def answer_with_keys(request: web.Request, added: Collection[str], kept: Kept) -> web.Response:
    """What has been added, as it is kept now."""
    views = [key_view(key, services(request).trust) for key in kept.keys if key.entry.id in added]
    return web.json_response({"certificates": views}, status=201)


async def remove_software(request: web.Request) -> web.Response:
    """DELETE /v1/software-certificates/{id}: delete one key by its id, or all of a number; the person is asked."""
    caller, state = await begin(request)
    target = request.match_info["id"]
    if not is_target(target):
        raise CertificateNotFoundError
    state.record.subject = target
    await services(request).software.keeper.remove(asker_of(caller), target)
    state.record.code_given = True
    return web.Response(status=204)


async def begin(request: web.Request) -> tuple[Caller, Call]:
    """A program asks for something to be done: an entry of the journal, however it ends."""
    state = call(request)
    state.is_use = True
    return await require_program(request), state


async def require_program(request: web.Request) -> Caller:
    """The caller. Raises TokenRefusedError for a page, before anything is read of what it sent."""
    caller = await name_caller(request)
    if caller.kind is not CallerKind.PROGRAM:
        raise TokenRefusedError
    return caller


def pair_view(pair: Pair) -> dict[str, Any]:
    """The two keys of a structure, by the ids of their entries."""
    return {
        "authentication": pair.authentication.entry.id,
        "signature": pair.signature.entry.id,
        "sameName": pair.same_name,
    }


def key_view(key: SoftwareKey, trust: Trust) -> dict[str, Any]:
    """A key that is kept, by its certificate. `lent`: what it may be used for now; null for nothing."""
    from agent.certificates.structure import read_structure  # noqa: PLC0415 - where certificates are kept

    certificate, entry, info = key.certificate.parsed, key.entry, key.info()
    structure = read_structure(key.certificate.label, key.certificate.units, None)
    return {
        "id": entry.id,
        "cardNumber": key.certificate.group,
        "role": key.role,
        "lent": str(info.role) if info is not None else None,
        "current": key.current,
        "label": key.certificate.label,
        "structure": {"name": structure.name, "id": structure.id} if structure is not None else None,
        "protection": str(entry.protection),
        "subject": certificate.subject.rfc4514(),
        "issuer": certificate.issuer.rfc4514(),
        "serialNumber": f"{certificate.serial_number:X}",
        "notBefore": moment(certificate.not_before),
        "notAfter": moment(certificate.not_after),
        **state_view(trust.states.find(entry.certificate_der)),
        "addedAt": moment(entry.added_at),
        "certificate": base64_text(entry.certificate_der),
    }
