"""The certificates of the cards at this desk, and what is told when the state of one changes."""

from __future__ import annotations

from collections.abc import Iterator

from agent.cards.card import Card
from agent.cards.cards import Cards
from agent.cards.events import Event, EventType
from agent.certificates.revocation.watch import Watched
from agent.certificates.states import CertificateState
from agent.certificates.trust import Trust


def watch_cards(cards: Cards, trust: Trust) -> None:
    """Begin to watch the certificates of the cards in readers, those that come later as well."""
    watch = trust.watch

    def tell(watched: Watched, state: CertificateState) -> None:
        for place in cards.places.values():
            _note_revocation(place.card, trust)
        cards.refresh()
        event = Event(EventType.CERTIFICATE_STATE, watched.reader, watched.card_number, code=state.name)
        cards.events.publish(event)

    noted = cards.on_read

    def note(card: Card, exchanges: int) -> None:
        if noted is not None:
            noted(card, exchanges)
        trust.chains.lend(card.token.authorities_der)
        _note_revocation(card, trust)
        watch.look()

    def show() -> Iterator[Watched]:
        for card in cards.software.known if cards.software is not None else ():
            trust.chains.lend(card.token.authorities_der)
        return list_watched(cards)

    watch.sources.append(show)
    watch.on_change = tell
    cards.on_read = note
    if cards.software is not None:
        cards.software.on_change = watch.look
    watch.start()


def list_watched(cards: Cards) -> Iterator[Watched]:
    """Every certificate of every card that was read, and of the software certificates that were looked at."""
    for name, place in cards.places.items():
        card = place.card
        if card is not None:
            yield from (Watched(key.certificate_der, card.number, name) for key in card.token.keys)
    if cards.software is not None:
        for card in cards.software.known:
            yield from (Watched(key.certificate_der, card.number) for key in card.token.keys)


def _note_revocation(card: Card | None, trust: Trust) -> None:
    if card is not None:
        card.memory.revoked = any(trust.states.is_revoked(key.certificate_der) for key in card.token.keys)
