"""A port of its own for a service: plain HTTP in, TLS with the card's key out, for software that cannot be changed.

There is no token here: any program of this user may speak, and its executable needs the grant `gateway`, which a person
gives by its name. What a browser would send is refused, whoever sends it. Off unless the list of services names a port.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

from aiohttp import hdrs, web

from agent.access.callers import Ability
from agent.access.errors import OriginRefusedError
from agent.access.gate import Admission
from agent.access.origin import require_own_host
from agent.api.callers import connection_of, require
from agent.api.connections import STRANGERS, Strangers
from agent.api.context import SERVICES, Services, call, services
from agent.api.gateway import Errand, forward, require_takes
from agent.api.gateway_headers import pass_on
from agent.api.gateway_targets import read_target
from agent.api.media import let_wait
from agent.api.middleware import Handler, answer
from agent.api.problems import UnsupportedMediaError
from agent.api.server import Server
from agent.loopback import PortTakenError
from agent.services.catalog import Service
from agent.services.errors import CatalogError, TargetRefusedError

log = logging.getLogger(__name__)

ROUTE: Final = "use-local-port"
BROWSERS_SEND: Final = frozenset({"origin", "referer", "cookie", "cookie2"})
BROWSERS_SEND_BEGINS: Final = ("sec-", "access-control-")


class LocalPorts:
    """The ports that listen; `close` ends them."""

    def __init__(self) -> None:
        self._servers: list[Server] = []

    async def open(self, served: Services) -> None:
        """Listen for every service that has a port. One that is taken, and a list that cannot be read, are logged."""
        try:
            known = served.health.catalog.services
        except CatalogError as error:
            log.error("no service has a port: %s", error)  # noqa: TRY400 - one line is what a reader needs
            return
        for name, service in known.items():
            if service.local_port is not None:
                await self._listen(served, name, service, service.local_port)

    async def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            await server.stop()

    async def _listen(self, served: Services, name: str, service: Service, port: int) -> None:
        server = Server(make_local_app(served, name, service))
        try:
            await server.start(port)
        except PortTakenError:
            log.error("port %d of the service %s is another program's", port, name)  # noqa: TRY400
            return
        log.info("the service %s is at http://127.0.0.1:%d/", name, port)
        self._servers.append(server)


def make_local_app(served: Services, name: str, service: Service) -> web.Application:
    """The application of one service: every path is one of its own."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await use_local_port(request, name, service)

    app = web.Application(middlewares=[tell_no_page, answer, local_gate])
    app[SERVICES] = served
    app[STRANGERS] = Strangers()
    app.router.add_route("*", r"/{path:[\s\S]*}", handle, name=ROUTE, expect_handler=let_wait)
    return app


@web.middleware
async def tell_no_page(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page may not even read why it was refused: no page has any business here."""
    response = await handler(request)
    if not response.prepared:
        for name in [name for name in response.headers if name.lower().startswith("access-control-")]:
            del response.headers[name]
    return response


@web.middleware
async def local_gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Peer, Host, target, then whatever a browser would have sent: nothing is read of a body before."""
    state = call(request)
    state.record.action = ROUTE
    state.connection = await connection_of(request)
    state.connection.peer.require_same_user()
    request.app[STRANGERS].forget(request.transport)
    _require_own_host(request)
    if not request.raw_path.startswith("/"):
        raise TargetRefusedError("a target that names a host")
    _refuse_browsers(request)
    state.admission = Admission(by_token=True)  # a program: it is named by its executable alone
    return await handler(request)


async def use_local_port(request: web.Request, name: str, service: Service) -> web.StreamResponse:
    """Any request below /: to the service of this port, with the card, or with the certificate that the list names."""
    call(request).record.subject = f"{service.title} ({service.host})"
    target = read_target(service, request.raw_path[1:])
    require_takes(request, service)
    if request.body_exists and request.content_type not in service.media_types:
        raise UnsupportedMediaError(f"this port takes {', '.join(service.media_types)}")
    caller = await require(request, Ability.GATEWAY)
    headers = (*pass_on(request.headers), *_own_authorization(request))
    return await forward(request, Errand(caller, name, service, target, headers, service.local_certificate))


def _own_authorization(request: web.Request) -> Iterator[tuple[str, str]]:
    """What the software says to the service by this header; the agent's token would be there by mistake."""
    for value in request.headers.getall(hdrs.AUTHORIZATION, ()):
        if not services(request).token.is_in(value):
            yield "Authorization", value


def _require_own_host(request: web.Request) -> None:
    port = request.transport.get_extra_info("sockname")[1] if request.transport else 0
    require_own_host(", ".join(request.headers.getall(hdrs.HOST, ())), port)


def _refuse_browsers(request: web.Request) -> None:
    """Raise OriginRefusedError for a header that programs have no use for and browsers add by themselves."""
    for name in request.headers:
        if name.lower() in BROWSERS_SEND or name.lower().startswith(BROWSERS_SEND_BEGINS):
            raise OriginRefusedError(f"a browser's request ({name})")
