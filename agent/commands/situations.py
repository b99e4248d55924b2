"""`cps-agent cards --situations`: have the agent read where the holders work, and say it."""

from __future__ import annotations

from agent.client import AgentProblemError, Client, Json
from agent.commands.output import say
from agent.people.identity_words import structure_words
from agent.people.translations import load_words

NOT_SUPPORTED = "not-supported"


def read_situations(client: Client, cards: list[Json]) -> None:
    """Have them read of each card, and put with it; a card that has none to read keeps nobody from the others.

    Raises AgentProblemError, AgentUnreachableError.
    """
    for card in cards:
        try:
            card["situations"] = client.situations(card["number"])
        except AgentProblemError as error:
            if error.code != NOT_SUPPORTED:
                raise


def say_situations(card: Json) -> None:
    """Print what is known of them: nothing before they were read."""
    words = load_words()
    _ = words.gettext
    for situation in card["situations"] or ():
        sector = situation["sector"] or {}
        structure = structure_words(situation["structure"] or {}, words)
        told = (situation["name"], structure, sector.get("label") or sector.get("code"))
        text = ", ".join(filter(None, told))
        say("  " + _("Situation {number}: {text}").format(number=situation["number"], text=text))
    if card["situations"] == []:
        say("  " + _("No activity situations on this card."))
