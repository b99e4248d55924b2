"""The certificates of the cards at this desk, and what is told when the state of one changes."""

from __future__ import annotations

from collections.abc import Iterator

from agent.cards.card import Card
from agent.cards.cards import Cards
from agent.cards.events import Event, EventType
from agent.certificates.revocation.watch import RevocationWatch, Watched
from agent.certificates.states import CertificateState


def watch_cards(cards: Cards, watch: RevocationWatch) -> None:
    """Begin to watch the certificates of the cards in readers, those that come later as well."""

    def tell(watched: Watched, state: CertificateState) -> None:
        event = Event(EventType.CERTIFICATE_STATE, watched.reader, watched.card_number, code=state.name)
        cards.events.publish(event)

    noted = cards.on_read

    def note(card: Card, exchanges: int) -> None:
        if noted is not None:
            noted(card, exchanges)
        watch.look()

    watch.sources.append(lambda: list_watched(cards))
    watch.on_change = tell
    cards.on_read = note
    watch.start()


def list_watched(cards: Cards) -> Iterator[Watched]:
    """Every certificate of every card that was read, and of the software certificates that were looked at."""
    for name, place in cards.places.items():
        card = place.card
        if card is not None:
            yield from (Watched(key.certificate_der, card.number, name) for key in card.token.keys)
    if cards.software is not None:
        for card in cards.software.known:
            yield from (Watched(key.certificate_der, card.number, card.reader) for key in card.token.keys)
