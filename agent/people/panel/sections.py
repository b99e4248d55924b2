"""What a page of the panel shows, as values: sections of named texts, with buttons. Made without any window."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from gettext import NullTranslations

from agent.client import Json
from agent.people.plain_text import plain_text
from agent.people.translations import write_date
from agent.people.tray.state import parse_moment
from agent.settings import Settings


class Deed(StrEnum):
    """What a button does with its target: SHOW goes to a page, or to a view of it (`page#view`)."""

    BROWSE = "browse"
    SHOW = "show"
    REVOKE = "revoke"
    ALLOW = "allow"
    OPEN = "open"
    READ_SITUATIONS = "read-situations"
    IMPORT_CERTIFICATE = "import-certificate"
    REMOVE_CERTIFICATE = "remove-certificate"
    CANCEL_ORDER = "cancel-order"


@dataclass(frozen=True, slots=True)
class Button:
    """A button; `question` is asked first, and answered no by default."""

    label: str
    deed: Deed
    target: str = ""
    question: str | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Line:
    """A text with its name at the left; without a name it takes the whole width."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, lines, buttons; `mark` is a badge beside the heading."""

    title: str
    lines: tuple[Line, ...] = ()
    buttons: tuple[Button, ...] = ()
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What words depend on. `view`: which part of the page is wanted, in the page's own words; all of it when empty."""

    words: NullTranslations
    language: str
    settings: Settings
    now: datetime
    view: str = ""


def shown(value: object, limit: int = 200) -> str:
    """A text from the card, a page or a program, made harmless; nothing for nothing."""
    return "" if value is None else plain_text(str(value), limit)


def moment_words(text: object, words: NullTranslations, *, time: bool = False) -> str:
    """A date of the API as the person writes it, in local time."""
    moment = parse_moment(text)
    if moment is None:
        return "?"
    date = write_date(moment, words)
    return f"{date} {moment.astimezone():%H:%M}" if time else date


def only_told(*lines: tuple[str, str | None]) -> tuple[Line, ...]:
    """The lines that have a text."""
    return tuple(Line(name, text) for name, text in lines if text)


def coded(value: Json | None) -> str:
    """A code of the ANS tables: its label, and the code where it has none."""
    return shown(value.get("label") or value.get("code")) if value else ""
