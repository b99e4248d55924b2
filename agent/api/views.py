"""What the API shows of the agent's values, as JSON members."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent.access.callers import Caller, CallerKind
from agent.access.granttable import Grant
from agent.access.journal import JournalRecord
from agent.api.problems import describe_problem
from agent.cards.card import Card
from agent.cards.cards import Cards
from agent.cards.conditions import Condition
from agent.cards.events import Event, EventType
from agent.cards.places import Place
from agent.cards.sessions import PinSession, PinSessions
from agent.cards.software import is_software_number
from agent.people.prompt import SOFTWARE
from agent.services.tls.availability import TlsState
from agent.signing.documents import Signature
from drivers.base import PinStatus

if TYPE_CHECKING:
    from agent.certificates.holder import Coded, Holder
    from agent.certificates.identifiers import Identifier
    from agent.certificates.structure import Structure
    from drivers.card.activity import Activity


def base64_text(value: bytes) -> str:
    """Standard base64, padded, on one line."""
    return base64.b64encode(value).decode()


def moment(value: datetime) -> str:
    """RFC 3339, in UTC."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def card_view(card: Card, pin: PinStatus | None, *, in_session: bool = False) -> dict[str, Any]:
    """A card with its holder; `pin` None when the card could not be asked just now."""
    return {
        "number": card.number,
        "kind": SOFTWARE if card.is_software else card.holder.kind or "CPS",
        "generation": card.token.generation,
        "access": card.token.access,
        "label": card.token.label,
        "reader": card.reader,
        "tokenId": card.holder.token_id,
        "test": card.test,
        "expiresAt": moment(card.expires_at),
        "holder": holder_view(card.holder, card.memory.speciality),
        "pin": pin_view(pin, in_session=in_session) if pin else None,
        "situations": list_situation_views(card.memory.situations),
    }


def holder_view(holder: Holder, told_speciality: str | None = None) -> dict[str, Any]:
    """The person on the card; one that names nobody tells its structure.

    `told_speciality`: of the card's data, for a certificate without one; a code that no table knows is not shown.
    """
    return {
        "familyName": holder.family_name,
        "givenName": holder.given_name,
        "title": holder.title,
        "nationalId": holder.national_id,
        "rpps": holder.rpps,
        "profession": coded_view(holder.profession),
        "futureProfession": coded_view(holder.future_profession),
        "speciality": coded_view(holder.speciality) or _speciality_view(told_speciality),
        "structure": structure_view(holder.structure) if holder.structure else None,
        "identifier": identifier_view(holder.identifier),
        "category": coded_view(holder.category),
        "commonName": holder.common_name,
        "principalName": holder.principal_name,
    }


def identifier_view(identifier: Identifier | None) -> dict[str, str] | None:
    """A national identifier with its kind, and what its key says of it."""
    if identifier is None:
        return None
    return {"kind": str(identifier.kind), "value": identifier.value, "key": str(identifier.key)}


def structure_view(structure: Structure) -> dict[str, str | None]:
    """A structure, its identifier whole and in parts."""
    return {"name": structure.name, **structure_id_view(structure.id)}


def structure_id_view(structure_id: str | None) -> dict[str, str | None]:
    """An IdNat_Struct, its kind, its number and what its key says."""
    from agent.certificates.identifiers import read_structure_id  # noqa: PLC0415 - once a card was read

    if structure_id is None:
        return dict.fromkeys(("id", "kind", "number", "key"))
    found = read_structure_id(structure_id)
    return {"id": structure_id, "kind": str(found.kind), "number": found.value, "key": str(found.key)}


def coded_view(coded: Coded | None) -> dict[str, str | None] | None:
    """A code with its label."""
    return {"code": coded.code, "label": coded.label} if coded else None


def _speciality_view(code: str | None) -> dict[str, str | None] | None:
    from agent.certificates.nomenclature import SPECIALITIES, find_label  # noqa: PLC0415 - once a card was read

    label = find_label(SPECIALITIES, code) if code is not None else None
    return {"code": code, "label": label} if label is not None else None


def list_situation_views(situations: tuple[Activity, ...] | None) -> list[dict[str, Any]] | None:
    """Situations by their numbers; None where nobody has read them yet."""
    return None if situations is None else [_situation_view(each) for each in situations]


def _situation_view(situation: Activity) -> dict[str, Any]:
    """One situation; a sector without a label stays as told."""
    from agent.certificates.nomenclature import SECTORS, find_label  # noqa: PLC0415 - once a card was read

    told, sector = situation.structure_id, situation.sector
    return {
        "number": situation.number,
        "name": situation.name,
        "structure": None if told is None else structure_id_view(told),
        "sector": None if sector is None else {"code": sector, "label": find_label(SECTORS, sector)},
    }


def pin_view(status: PinStatus, *, in_session: bool = False) -> dict[str, Any]:
    """State of the code; `triesLeft` is null while another program keeps the card verified."""
    usable = "session" if in_session else "ready"
    return {"state": "blocked" if status.blocked else usable, "triesLeft": status.tries_left}


def desk_view(cards: Cards, *, with_identity: bool = True) -> dict[str, Any]:
    """Everything that is there now; judged at this moment, since the clock counts as well."""
    cards.refresh()
    return {
        "condition": str(cards.states.desk),
        "service": "stopped" if cards.service_failure else "running",
        "readers": list_reader_views(cards, with_identity=with_identity),
    }


def tls_view(state: TlsState | None) -> dict[str, Any] | None:
    """Whether TLS with a card's key works here; null as long as nobody has tried."""
    if state is None:
        return None
    return {"available": state.available, "tls13": state.tls13, "reason": state.reason}


def list_reader_views(cards: Cards, *, with_identity: bool = True) -> list[dict[str, Any]]:
    """Every reader; who the holder of a card is, only for callers who may know identities."""
    views = []
    for name, place in cards.places.items():
        view = _reader_view(place, cards.states.of_reader(name))
        if with_identity:
            view |= _holder_in_brief(place, in_session=place.card is not None and cards.in_session(place.card))
        views.append(view)
    return views


def _reader_view(place: Place, condition: Condition) -> dict[str, Any]:
    """A reader, what is in it, and what keeps it from being used."""
    return {
        "name": place.state.name,
        "state": _reader_state(place),
        "condition": str(condition),
        "trouble": trouble_view(place.failure) if place.failure else None,
    }


def _holder_in_brief(place: Place, *, in_session: bool) -> dict[str, Any]:
    """The card in a reader; all null without one, and `pin` until the card has told of its code."""
    card, pin = place.card, place.pin
    return {
        "cardNumber": card.number if card else None,
        "kind": (card.holder.kind or "CPS") if card else None,
        "holderName": card.holder.display_name if card else None,
        "expiresAt": moment(card.expires_at) if card else None,
        "revoked": card.memory.revoked if card else None,
        "pin": pin_view(pin, in_session=in_session) if pin else None,
    }


def trouble_view(failure: Exception) -> dict[str, Any]:
    """What keeps a card shut; `card` names one that is no CPS."""
    document = describe_problem(failure)
    return {name: document[name] for name in ("code", "card", "detail", "detailFr") if name in document}


def _reader_state(place: Place) -> str:
    if place.state.atr is None:
        return "empty"
    if place.card is not None:
        return "ready"
    return "trouble" if place.failure is not None else "reading"


def signature_view(signature: Signature) -> dict[str, str]:
    """A finished signature."""
    return {
        "name": signature.name,
        "content": base64_text(signature.content),
        "certificate": base64_text(signature.certificate_der),
        "mediaType": signature.media_type,
    }


def grant_view(grant: Grant) -> dict[str, Any]:
    """A grant as its owner sees it."""
    return {
        "id": grant.id,
        "caller": grant.caller.name,
        "kind": str(grant.caller.kind),
        "abilities": sorted(str(ability) for ability in grant.abilities),
        "cards": [
            {"cardNumber": number, "ability": ability}
            for number, ability in sorted((each.card_number, str(each.ability)) for each in grant.cards)
        ],
        "createdAt": moment(grant.created_at),
        "expiresAt": moment(grant.expires_at),
        "untilStop": grant.ephemeral,
    }


def journal_view(record: JournalRecord) -> dict[str, Any]:
    """One entry of the journal."""
    entry = record.entry
    return {
        "id": record.id,
        "at": moment(record.at),
        "lastAt": moment(record.last_at),
        "count": record.count,
        "action": entry.action,
        "caller": entry.caller,
        "through": entry.through,
        "outcome": entry.outcome,
        "cardNumber": entry.card_number,
        "subject": entry.subject,
        "exchanges": entry.exchanges,
        "durationMs": entry.duration_ms,
    }


def list_session_views(sessions: PinSessions, caller: Caller, *, with_identity: bool = True) -> list[dict[str, Any]]:
    """The PIN sessions that a caller may see."""
    return [_session_view(session, with_identity=with_identity) for session in sessions.list_for(caller)]


def _session_view(session: PinSession, *, with_identity: bool) -> dict[str, Any]:
    """A PIN session; the card's number is for callers who may know identities."""
    view = {
        "id": session.id,
        "caller": session.caller.name,
        "kind": str(session.caller.kind),
        "endsAt": moment(session.ends_at),
        "usesLeft": session.uses_left,
    }
    return view | {"cardNumber": session.card.number} if with_identity else view


def may_hear(caller: Caller, event: Event) -> bool:
    """Whether an event is this caller's business: of sessions and grants a page hears only if they are its own.

    And of software certificates nothing else. A batch is its owner's business alone.
    """
    if event.type is EventType.BATCH_PROGRESS:
        return event.caller is not None and event.caller.key == caller.key
    if caller.kind is CallerKind.PROGRAM:
        return True
    if event.caller is None:
        return not is_software_number(event.card_number)
    return event.caller.key == caller.key


def event_view(event: Event, *, with_identity: bool) -> dict[str, Any]:
    """An event; the card's number is for callers who may know identities."""
    view: dict[str, Any] = {"type": str(event.type), "reader": event.reader}
    if with_identity and event.card_number is not None:
        view["cardNumber"] = event.card_number
    if event.condition is not None:
        view["condition"] = str(event.condition)
    if event.caller is not None:
        view |= {"id": event.subject_id, "caller": event.caller.name, "kind": str(event.caller.kind)}
    if event.code is not None:
        view["code"] = event.code
    return view | dict(event.progress or {})
