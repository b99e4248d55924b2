"""POST /v1/dmp/links: a page of the DMP of the web, for a patient, in the person's browser."""

from __future__ import annotations

from aiohttp import web

from agent.access.callers import Ability
from agent.api.browser_needs import list_needs
from agent.api.callers import require
from agent.api.context import services
from agent.api.dmp_schemas import LinkBody
from agent.api.schemas import read_body
from agent.api.using import begin
from agent.patients import check_ins
from agent.services.browser import open_browser
from agent.services.dmp_links import write_link
from agent.services.errors import PortalUnsetError

PORTAL = "dmp"


async def open_dmp(request: web.Request) -> web.Response:
    """POST /v1/dmp/links: the link to a page of the DMP, opened in the browser, and what browsers lack to get there."""
    state = begin(request, Ability.IDENTITY)
    body = await read_body(request, LinkBody)
    state.record.subject = f"DMP {body.page}"
    link = _write(request, body)
    caller = await require(request, Ability.IDENTITY)
    if body.open:
        services(request).health.openings.note(caller.key)
    needs = await list_needs(services(request).health.data_dir)
    if body.open:
        await open_browser(link)
    return web.json_response({"link": link, "opened": body.open, "needs": [need.to_json() for need in needs]})


def _write(request: web.Request, body: LinkBody) -> str:
    portal = services(request).health.catalog.portals.get(PORTAL)
    if portal is None:
        raise PortalUnsetError
    if body.ins is not None:
        check_ins(body.ins, body.kind)
    return write_link(portal, body.page, body.ins)
