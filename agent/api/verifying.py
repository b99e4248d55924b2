"""POST /v1/verifications: whether signatures hold, who made them and when; nobody is asked, no card is touched."""

from __future__ import annotations

from contextlib import ExitStack

from aiohttp import web

from agent.access.callers import Ability, Caller
from agent.access.errors import GrantRequiredError
from agent.api.callers import is_page, name_caller
from agent.api.context import call, services
from agent.api.media import MULTIPART
from agent.api.schemas import LARGE_BODY, VerificationBody, read_body
from agent.api.verification_uploads import hold, read_anchors, read_verification_upload
from agent.api.verification_views import document_view
from agent.signing.verification.verifier import Question


async def verify(request: web.Request) -> web.Response:
    """POST /v1/verifications: verify the signatures of documents, offline where it can be done."""
    caller = await _require_any_grant(request)
    with services(request).signing.verifier.admit(), ExitStack() as stack:
        body, questions = await _read(request, stack)
        call(request).record.subject = ", ".join(question.name for question in questions)[:255]
        anchors = read_anchors(body.anchors)
        may_ask = not (is_page(caller) and anchors)
        judged = await services(request).signing.verifier.verify(questions, anchors, may_ask=may_ask, caller=caller)
    return web.json_response({"documents": [document_view(document) for document in judged]})


async def _require_any_grant(request: web.Request) -> Caller:
    """A page has to be granted something, whatever it is; a program of this user may verify."""
    caller = await name_caller(request)
    if not services(request).grants.abilities(caller):
        raise GrantRequiredError(Ability.IDENTITY)
    return caller


async def _read(request: web.Request, stack: ExitStack) -> tuple[VerificationBody, list[Question]]:
    if request.content_type == MULTIPART:
        return await read_verification_upload(request, stack)
    body = await read_body(request, VerificationBody, LARGE_BODY)
    return body, [hold(document) for document in body.documents]
