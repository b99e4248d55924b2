"""Sentences that name a card which is no CPS: what is in the reader, as far as its ATR tells, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.card.atr import CardFamily
from drivers.errors import NotCpsError


@dataclass(frozen=True, slots=True)
class Name:
    """What such a card is called, with its article, in English and in French."""

    english: str
    french: str


NAMES = {
    CardFamily.VITALE: Name("a Vitale card", "une carte Vitale"),
    CardFamily.FRENCH_EID: Name("a French identity card", "une carte d'identité"),
    CardFamily.HEALTH_OTHER: Name(
        "a health card that is no CPS", "une carte du monde de la santé autre qu'une carte CPS"
    ),
    CardFamily.BANK: Name("a bank card", "une carte bancaire"),
    CardFamily.CPS2TER: Name(
        "an old CPS2ter card, which cannot be used any more",
        "une ancienne carte CPS2ter, qui n'est plus utilisable",
    ),
}
UNKNOWN = Name("a card that the agent does not know", "une carte que l'agent ne connaît pas")


def sentences(error: NotCpsError) -> tuple[str, str]:
    """The sentence in English and in French."""
    name = NAMES.get(CardFamily(error.family), UNKNOWN)
    if error.certain:
        return (
            f"{_begin(name.english)} is in the reader. Insert your CPS card instead.",
            f"{_begin(name.french)} est dans le lecteur. Insérez votre carte CPS à la place.",
        )
    return (
        f"The card in the reader is probably {name.english}. Insert your CPS card instead.",
        f"La carte du lecteur est probablement {name.french}. Insérez votre carte CPS à la place.",
    )


def word(error: NotCpsError) -> str:
    """The card as programs read it: vitale, french-eid, health-other, bank, cps2ter, unknown."""
    return error.family.lower()


def _begin(phrase: str) -> str:
    return phrase[0].upper() + phrase[1:]
