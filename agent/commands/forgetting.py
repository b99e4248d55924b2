"""`cps-agent certificates --forget`: what the agent keeps of cards and certificates is emptied."""

from __future__ import annotations

from agent.client import Client
from agent.commands.output import say
from agent.people.translations import load_words


def forget_certificates(client: Client, *, quiet: bool) -> dict[str, int]:
    """Have it forgotten. Gives how many of each kind, and says it unless it is for a program."""
    forgotten = client.forget_certificates()
    if not quiet:
        words, cards = load_words(), forgotten.get("cards", 0)
        say(words.ngettext("%d known card was forgotten.", "%d known cards were forgotten.", cards) % cards)
        say(words.gettext("Each is read again when it is next inserted."))
    return forgotten
