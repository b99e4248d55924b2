"""The activity situations of a card: read with the holder's code once, and remembered as long as the card stays."""

from __future__ import annotations

from dataclasses import replace

from agent.cards.cards import Cards
from agent.cards.uses import CardUses, UseRequest
from drivers.card.activity import Activity, activity_number, parse_activities


async def read_situations(cards: Cards, uses: CardUses, request: UseRequest) -> tuple[Activity, ...]:
    """What the card tells, by their numbers. The person is asked for the code unless it was read since it is there.

    Raises what Cards.find and CardUses.read_data raise.
    """
    card = await cards.find(request.card_number)
    request.record.card_number = card.number
    if card.memory.situations is None:
        card, objects = await uses.read_data(replace(request, card_number=card.number), is_situation)
        card.memory.situations = parse_activities((item.label, item.value) for item in objects)
    return card.memory.situations


def is_situation(label: str) -> bool:
    """Whether a data object is a situation."""
    return activity_number(label) is not None
