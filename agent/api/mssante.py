"""Routes for MSSanté mailboxes: bearers for programs, and the bridge for mail programs. For programs of this user."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from agent.access.callers import Ability, Caller
from agent.access.consents import asker_of
from agent.api.callers import name_caller, require, require_program
from agent.api.context import Call, call, services
from agent.api.mssante_schemas import BearerBody, BridgeBody, PasswordBody
from agent.api.schemas import read_body
from agent.api.views import moment
from agent.people.prompt import Deed, DeedRequest
from agent.services.catalog import Mailbox
from agent.services.mssante.opening import Mail
from agent.services.psc.opening import Use


async def read_mail(request: web.Request) -> web.Response:
    """GET /v1/mssante: the mailboxes, who is logged in for each, and where the bridge listens."""
    await require_program(request)
    await require(request, Ability.IDENTITY)
    mail = services(request).health.mail
    boxes = {name: _mailbox_view(mail, name, mailbox) for name, mailbox in mail.mailboxes.items()}
    return web.json_response({"bridge": _bridge_view(mail), "mailboxes": boxes})


async def give_bearer(request: web.Request) -> web.Response:
    """POST /v1/mssante/{mailbox}/bearer: what logs in to its servers, of the caller's own session for its client."""
    state, mail, name = await _begin(request)
    await read_body(request, BearerBody)
    use = await _require(request, mail, name, state)
    bearer = await mail.bearer(use, name)
    return web.json_response(
        {
            "user": bearer.user,
            "accessToken": bearer.token,
            "xoauth2": bearer.xoauth2,
            "expiresAt": moment(bearer.expires_at),
        }
    )


async def make_password(request: web.Request) -> web.Response:
    """POST /v1/mssante/{mailbox}/password: ask the person for a new one, which is told this once; the old one ends."""
    state, mail, name = await _begin(request)
    await read_body(request, PasswordBody)
    use, address = await _require(request, mail, name, state), mail.mailbox(name).address
    await services(request).desk.agree(DeedRequest(Deed.MAIL_PASSWORD, asker_of(use.caller), address))
    state.record.code_given = True
    return web.json_response({"user": address, "bridgePassword": mail.new_password(name)})


async def forget_password(request: web.Request) -> web.Response:
    """DELETE /v1/mssante/{mailbox}/password: no mail program opens it from now on."""
    _, mail, name = await _begin(request)
    mail.forget_password(name)
    return web.Response(status=204)


async def start_bridge(request: web.Request) -> web.Response:
    """POST /v1/mssante/bridge: let mail programs in, until the agent stops."""
    call(request).is_use = True
    await require_program(request)
    await read_body(request, BridgeBody)
    mail = services(request).health.mail
    await mail.start()
    return web.json_response(_bridge_view(mail))


async def stop_bridge(request: web.Request) -> web.Response:
    """DELETE /v1/mssante/bridge: let none in, and end what is open."""
    call(request).is_use = True
    await require_program(request)
    await services(request).health.mail.stop()
    return web.Response(status=204)


async def _begin(request: web.Request) -> tuple[Call, Mail, str]:
    """A use of a mailbox of the catalog, by a program."""
    state = call(request)
    state.is_use = True
    await require_program(request)
    mail, name = services(request).health.mail, request.match_info["mailbox"]
    state.record.subject = mail.mailbox(name).address
    return state, mail, name


async def _require(request: web.Request, mail: Mail, name: str, state: Call) -> Use:
    """Who may log in for the mailbox's client may have what opens it: the program is named there, and consented to."""
    use = Use(await name_caller(request), mail.mailbox(name).client, state.record)
    services(request).health.psc.require_client(use)  # before the person is asked anything
    caller: Caller = await require(request, Ability.AUTHENTICATE)
    return Use(caller, use.name, use.record)


def _bridge_view(mail: Mail) -> dict[str, Any]:
    ports = mail.ports
    return {
        "running": ports is not None,
        "imapPort": ports.imap if ports is not None else None,
        "smtpPort": ports.smtp if ports is not None else None,
    }


def _mailbox_view(mail: Mail, name: str, mailbox: Mailbox) -> dict[str, Any]:
    """`person`: who is logged in for the bridge; it opens for the holder alone."""
    session = mail.sessions.find(mailbox)
    return {
        "address": mailbox.address,
        "holder": mailbox.holder,
        "client": mailbox.client,
        "hasPassword": mail.passwords.has(name, mailbox),
        "person": session.person if session is not None else None,
        "connections": mail.count(name),
    }
