"""What the API shows of a look-up in the Annuaire Santé, as JSON members."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from agent.api.rows import set_french
from agent.api.views import coded_view, moment
from agent.cards.card import Card
from agent.services.directory.differences import Difference, list_differences
from agent.services.directory.values import Listing, Mailbox, MailboxKind, Name, Professional, Situation, Structure

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
