"""The route that tells the means of identification (MIE) of the people who use this workstation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from agent.access.callers import Ability
from agent.api.callers import is_page, require
from agent.api.context import services
from agent.api.readings import note_identity
from agent.api.views import coded_view, moment

if TYPE_CHECKING:
    from datetime import datetime

    from agent.certificates.means import Bearer, Means


async def list_means(request: web.Request) -> web.Response:
    """GET /v1/means: who has which means, and which is missing; a page learns of the cards in readers alone."""
    caller = await require(request, Ability.IDENTITY)
    known = services(request).means
    bearers = await (known.list_present() if is_page(caller) else known.list_all())
    note_identity(request, [means.number for bearer in bearers for means in bearer.means if means.number is not None])
    return web.json_response({"bearers": [bearer_view(bearer) for bearer in bearers]})


def bearer_view(bearer: Bearer) -> dict[str, Any]:
    """A person or a structure; of `missing` a person needs any one, a structure every one."""
    return {
        "id": bearer.id,
        "kind": "person" if bearer.is_person else "structure",
        "name": bearer.name,
        "rpps": bearer.rpps,
        "test": bearer.test,
        "verdict": str(bearer.verdict),
        "means": [_means_view(means) for means in bearer.means],
        "missing": [{"what": lack.what, "reason": lack.reason, "errand": lack.errand} for lack in bearer.missing],
    }


def _means_view(means: Means) -> dict[str, Any]:
    holder = means.holder
    return {
        "kind": str(means.kind),
        "number": means.number,
        "cardKind": (holder.kind or "CPS") if holder is not None and means.kind == "card" else None,
        "nationalId": holder.national_id if holder is not None else None,
        "profession": coded_view(holder.profession or holder.future_profession) if holder is not None else None,
        "roles": list(means.roles),
        "state": str(means.state),
        "stateSince": _moment_or_null(means.state_since),
        "stateReason": means.state_reason,
        "expiresAt": _moment_or_null(means.expires_at),
        "present": means.present,
        "seenAt": _moment_or_null(means.seen_at),
        "errand": means.errand,
    }


def _moment_or_null(value: datetime | None) -> str | None:
    return moment(value) if value is not None else None
