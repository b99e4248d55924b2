"""GET /v1/directory/{rpps}: a professional in the Annuaire Santé, beside the card that is in a reader."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any, Final

from aiohttp import web

from agent.access.callers import Ability
from agent.api.callers import caller_text, is_page, require
from agent.api.context import Services, call, services
from agent.api.problems import CallError, set_french
from agent.api.readings import QUIET_S, RECENT
from agent.api.views import coded_view, moment
from agent.cards.card import Card
from agent.services.directory.differences import Difference, list_differences
from agent.services.directory.errors import OtherProfessionalError
from agent.services.directory.rpps import is_rpps
from agent.services.directory.values import Listing, Mailbox, MailboxKind, Name, Professional, Situation, Structure
from drivers.errors import DriverError

MAX_RECENT: Final = 1000
KINDS: Final = {
    MailboxKind.PERSONAL: ("personal mailbox", "boîte personnelle"),
    MailboxKind.PRACTICE: ("mailbox of a practice", "boîte de cabinet"),
    MailboxKind.ORGANISATION: ("mailbox of a service or team", "boîte organisationnelle (service ou équipe)"),
    MailboxKind.APPLICATION: (
        "mailbox of a program: it receives, and nobody may read it",
        "boîte applicative : un logiciel la relève, personne ne la lit forcément",
    ),
    None: ("mailbox of a kind that the directory does not tell", "boîte d'un type que l'annuaire ne précise pas"),
}


async def read_directory(request: web.Request) -> web.Response:
    """GET /v1/directory/{rpps}: who this is in the Annuaire Santé; a page learns of the card's holder alone."""
    caller = await require(request, Ability.IDENTITY)
    rpps, served = request.match_info["rpps"], services(request)
    if not is_rpps(rpps):
        raise CallError("an RPPS number has 11 digits, the last of which is its key")
    card = await _find_card(served, rpps)
    if card is None and is_page(caller):
        raise OtherProfessionalError
    _note(request, rpps, card)
    return web.json_response(listing_view(await served.directory.find(rpps), card))


async def _find_card(served: Services, rpps: str) -> Card | None:
    """A card of this professional, if one is in a reader; without readers there is none."""
    try:
        cards = await served.cards.list_cards()
    except DriverError:
        return None
    return next((card for card in cards if card.holder.rpps == rpps), None)


def _note(request: web.Request, rpps: str, card: Card | None) -> None:
    """A look-up counts as a use, once in a while for the same caller and number; a failed one always."""
    key, now = (caller_text(request), f"RPPS {rpps}"), time.monotonic()
    recent = request.app[RECENT]
    if len(recent) > MAX_RECENT:
        recent.clear()
    call(request).is_use = recent.get(key, -QUIET_S) + QUIET_S <= now
    recent[key] = now if call(request).is_use else recent[key]
    call(request).record.subject = key[1]
    call(request).record.card_number = card.number if card is not None else None


def listing_view(listing: Listing, card: Card | None) -> dict[str, Any]:
    """What the directory tells; `differences` is empty without a card to compare with."""
    told = listing.professional or Professional(listing.rpps, active=False)
    differs = _compare(card, listing.professional)
    return {
        "rpps": listing.rpps,
        "asOf": moment(listing.as_of),
        "stale": listing.stale,
        "found": listing.professional is not None,
        "active": told.active if listing.professional is not None else None,
        "names": [_name_view(name) for name in told.names],
        "professions": [coded_view(term) for term in told.professions],
        "specialities": [coded_view(term) for term in told.specialities],
        "situations": [_situation_view(situation) for situation in told.situations],
        "mailboxes": [_mailbox_view(mailbox) for mailbox in told.mailboxes],
        "cardNumber": card.number if card is not None else None,
        "differences": [_difference_view(difference) for difference in differs],
    }


def _compare(card: Card | None, professional: Professional | None) -> tuple[Difference, ...]:
    if card is None or professional is None:
        return ()
    return list_differences(card.holder, card.memory.situations, professional)


def _name_view(name: Name) -> dict[str, str | None]:
    return {"familyName": name.family, "givenName": name.given, "title": name.title}


def _situation_view(situation: Situation) -> dict[str, Any]:
    place = situation.structure or Structure(None)
    return {
        "name": place.name,
        "structureId": place.national_id,
        "finess": place.finess,
        "siret": place.siret,
        "siren": place.siren,
        "sector": coded_view(place.sector),
        "mode": coded_view(situation.mode),
        "role": coded_view(situation.role),
    }


def _mailbox_view(mailbox: Mailbox) -> dict[str, str | None]:
    label, label_fr = KINDS[mailbox.kind]
    return asdict(mailbox) | {"kindLabel": label, "kindLabelFr": set_french(label_fr)}


def _difference_view(difference: Difference) -> dict[str, str | None]:
    return asdict(difference)
