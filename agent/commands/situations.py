"""`cps-agent cards --situations`: have the agent read where the holders work, and say it."""

from __future__ import annotations

from agent.client import AgentProblemError, Client, Json
from agent.commands.output import say
from agent.people.translations import translator

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
    _ = translator()
    for situation in card["situations"] or ():
        structure, sector = situation["structure"] or {}, situation["sector"] or {}
        identifier = " ".join(filter(None, (structure.get("kind"), structure.get("number") or structure.get("id"))))
        told = (situation["name"], identifier, sector.get("label") or sector.get("code"))
        say("  " + _("Situation {number}").format(number=situation["number"]) + ": " + ", ".join(filter(None, told)))
    if card["situations"] == []:
        say("  " + _("No activity situations on this card."))
