"""The menu as data: what stands in it, and what can be chosen just now. Every tray shows this same model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from gettext import NullTranslations

from agent.people.tray.state import Desk
from agent.people.tray.wording import describe, session_words


class Choice(StrEnum):
    """What a person can choose."""

    ENTER_PIN = "enter-pin"
    LOCK = "lock"
    CHANGE_PIN = "change-pin"
    UNBLOCK = "unblock"
    CARD = "card"
    CERTIFICATES = "certificates"
    MEANS = "means"
    GRANTS = "grants"
    JOURNAL = "journal"
    DIAGNOSIS = "diagnosis"
    ERRANDS = "errands"
    SETTINGS = "settings"
    ALLOW_QUESTIONS = "allow-questions"
    START_AGENT = "start-agent"
    QUIT = "quit"


PAGES = (
    Choice.CARD,
    Choice.CERTIFICATES,
    Choice.MEANS,
    Choice.GRANTS,
    Choice.JOURNAL,
    Choice.DIAGNOSIS,
    Choice.ERRANDS,
    Choice.SETTINGS,
)
"""Choices that open a page of the panel by the same name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. With an empty label it is a rule."""

    label: str
    choice: Choice | None = None
    enabled: bool = True


RULE = Entry("", None, enabled=False)


def build_menu(desk: Desk, words: NullTranslations, now: datetime) -> tuple[Entry, ...]:
    """Put the menu together. Its head tells how things stand; with no agent, the first thing to do is to start it."""
    return (
        *_head(desk, words, now),
        RULE,
        *_code_entries(desk, words, now),
        RULE,
        Entry(words.gettext("Card details"), Choice.CARD, desk.reachable),
        Entry(words.gettext("Certificates"), Choice.CERTIFICATES, desk.reachable),
        Entry(words.gettext("Means of identification"), Choice.MEANS, desk.reachable),
        Entry(words.gettext("Sites and programs allowed"), Choice.GRANTS, desk.reachable),
        Entry(words.gettext("Journal"), Choice.JOURNAL, desk.reachable),
        RULE,
        *_help_entries(desk, words),
        RULE,
        Entry(words.gettext("Settings"), Choice.SETTINGS),
        Entry(words.gettext("Remove this icon (the agent keeps running)"), Choice.QUIT)
        if desk.reachable
        else Entry(words.gettext("Quit"), Choice.QUIT),
    )


def _head(desk: Desk, words: NullTranslations, now: datetime) -> tuple[Entry, ...]:
    """What the tooltip says as well: each line leads to where there is more of it, and so is never grey."""
    more = Choice.CARD if desk.cards else Choice.DIAGNOSIS
    lines = tuple(Entry(line, more) for line in describe(desk, words, now))
    if desk.reachable:
        return lines
    return (*lines, Entry(words.gettext("Start the agent"), Choice.START_AGENT))


def _code_entries(desk: Desk, words: NullTranslations, now: datetime) -> tuple[Entry, ...]:
    """Which card, when there are several, is asked by the agent."""
    usable = any(not card.blocked for card in desk.cards)
    lock = words.gettext("Forget the code now")
    if desk.sessions:
        lock += f" ({session_words(desk.sessions, words, now)})"
    return (
        Entry(words.gettext("Enter the code…"), Choice.ENTER_PIN, usable),
        Entry(lock, Choice.LOCK, bool(desk.sessions)),
        Entry(words.gettext("Change the code…"), Choice.CHANGE_PIN, usable),
        Entry(words.gettext("Unblock the code…"), Choice.UNBLOCK, bool(desk.cards)),
    )


def _help_entries(desk: Desk, words: NullTranslations) -> tuple[Entry, ...]:
    entries = [
        Entry(words.gettext("Diagnosis"), Choice.DIAGNOSIS),
        Entry(words.gettext("Whom to turn to: card lost, codes, staff…"), Choice.ERRANDS),
    ]
    if desk.denials:
        label = words.ngettext(
            "Let %d refused requester ask again", "Let %d refused requesters ask again", desk.denials
        )
        entries.append(Entry(label % desk.denials, Choice.ALLOW_QUESTIONS))
    return tuple(entries)
