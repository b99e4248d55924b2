"""GET /v1/certificates: every certificate at this desk, with its chain and its state."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from agent.access.callers import Ability
from agent.api.callers import is_page, require
from agent.api.context import services
from agent.api.readings import note_identity
from agent.api.views import base64_text, moment
from agent.cards.card import Card, load_certificate
from agent.cards.software import SoftwareCards
from agent.certificates.revocation.verdict import Verdict
from agent.certificates.states import CertificateState
from agent.certificates.trust import Trust
from drivers.base import KeyInfo
from drivers.errors import DriverError

log = logging.getLogger(__name__)

PATIENCE_S: Final = 3.0
"""For the store: a key store that waits to be unlocked keeps nobody from the certificates of the cards."""


async def list_certificates(request: web.Request) -> web.Response:
    """GET /v1/certificates: those of every card present, and for programs those kept here, with chain and state.

    What is known is told at once; what was not asked about yet is asked about soon.
    """
    caller = await require(request, Ability.IDENTITY)
    served = services(request)
    cards = await served.cards.list_cards()
    if not is_page(caller):
        cards += await list_kept(served.software.cards)
    keys = [(card, key) for card in cards for key in card.token.keys]
    views = await asyncio.to_thread(lambda: [certificate_view(card, key, served.trust) for card, key in keys])
    served.trust.watch.look()
    note_identity(request, [card.number for card in cards])
    return web.json_response({"certificates": views})


async def list_kept(kept: SoftwareCards) -> list[Card]:
    """Software certificates, as they were last seen where the store fails or waits for the person."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await kept.list_cards()
    except (DriverError, TimeoutError) as error:
        log.warning("the software certificates cannot be looked at now: %s", error or "the store is in use")
        return kept.known


def certificate_view(card: Card, key: KeyInfo, trust: Trust) -> dict[str, Any]:
    """A certificate of a card with its chain; `chain` is null when no known root is reached."""
    certificate = load_certificate(key.certificate_der)
    trust.chains.lend(card.token.authorities_der)
    chain = trust.chains.find(certificate)
    return {
        "cardNumber": card.number,
        "source": "software" if card.is_software else "card",
        "role": str(key.role),
        "label": key.label,
        "keyId": key.key_id.hex(),
        "subject": certificate.subject.rfc4514(),
        "issuer": certificate.issuer.rfc4514(),
        "serialNumber": f"{certificate.serial_number:X}",
        "notBefore": moment(certificate.not_before),
        "notAfter": moment(certificate.not_after),
        **state_view(trust.states.judge(certificate, chain)),
        "certificate": base64_text(key.certificate_der),
        "chain": [base64_text(issuer) for issuer in chain] if chain is not None else None,
    }


def state_view(state: CertificateState) -> dict[str, Any]:
    """A state, since when, why, and what is known of a revocation."""
    return {
        "state": str(state.name),
        "stateSince": _moment_or_null(state.since),
        "stateReason": state.reason,
        "revocation": revocation_view(state.revocation),
    }


def revocation_view(verdict: Verdict) -> dict[str, Any]:
    """The dates are those of the answer (RFC 6960 §2.4: thisUpdate and nextUpdate)."""
    view = {
        "status": str(verdict.status),
        "source": str(verdict.source) if verdict.source else None,
        "producedAt": _moment_or_null(verdict.produced_at),
        "nextUpdate": _moment_or_null(verdict.next_update),
    }
    if verdict.revoked_at is not None:
        view["revokedAt"] = moment(verdict.revoked_at)
    return view if verdict.reason is None else view | {"reason": str(verdict.reason)}


def _moment_or_null(value: datetime | None) -> str | None:
    return moment(value) if value is not None else None
