"""The activity situations of a card: read with the holder's code once, and remembered as long as the card stays."""

from __future__ import annotations

from dataclasses import replace

from agent.cards.card import Card
from agent.cards.cards import Cards
from agent.cards.uses import CardUses, UnlockedKey, UseRequest
from drivers.base import DataObject
from drivers.card.activity import INFO_LABEL, Activity, activity_number, parse_activities, parse_speciality


async def read_situations(cards: Cards, uses: CardUses, request: UseRequest) -> tuple[Activity, ...]:
    """What the card tells, by their numbers. The person is asked for the code unless it was read since it is there.

    Whoever wants them at the same time waits for the first one's answer.

    Raises what Cards.find and CardUses.read_data raise.
    """
    card = await cards.find(request.card_number)
    request.record.card_number = card.number
    async with card.memory.asking:
        if card.memory.situations is None:
            card, objects = await uses.read_data(replace(request, card_number=card.number), is_wanted)
            _remember(card, objects)
    return card.memory.situations or ()


async def read_with_key(key: UnlockedKey) -> tuple[Activity, ...]:
    """The same of a card whose code was just given for a signature: nobody is asked again, but on a PIN pad.

    Raises NotSupportedError for a token without data objects, and what UnlockedKey.sign raises.
    """
    if key.card.memory.situations is None:
        _remember(key.card, await key.read_data(is_wanted))
    return key.card.memory.situations or ()


def is_wanted(label: str) -> bool:
    """Whether a data object is a situation, or tells the speciality, which costs no code."""
    return label == INFO_LABEL or activity_number(label) is not None


def _remember(card: Card, objects: tuple[DataObject, ...]) -> None:
    card.memory.situations = parse_activities((item.label, item.value) for item in objects)
    told = (parse_speciality(item.value) for item in objects if item.label == INFO_LABEL)
    card.memory.speciality = next(filter(None, told), None)
