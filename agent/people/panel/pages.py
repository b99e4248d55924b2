"""Every page of the panel by its name, and how it is loaded: in a thread, with a client of its own."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from gettext import NullTranslations
from queue import Empty, SimpleQueue
from typing import Final

from agent.client import AgentProblemError, AgentUnreachableError, Client
from agent.people.panel.access_pages import grants_page, journal_page
from agent.people.panel.card_pages import card_page, certificates_page
from agent.people.panel.directory import card_page_with_directory
from agent.people.panel.errand_pages import errands_page
from agent.people.panel.help_pages import diagnosis_page, settings_page, unreachable_page
from agent.people.panel.means_pages import means_page
from agent.people.panel.sections import Context, Section, shown

CALL_S: Final = 45.0  # longer than the directory is given
PATIENCE_S: Final = 0.3

Load = Callable[[Client, Context], tuple[Section, ...]]

PAGES: Final[Mapping[str, Load]] = {
    "card": card_page,
    "certificates": certificates_page,
    "means": means_page,
    "grants": grants_page,
    "journal": journal_page,
    "diagnosis": diagnosis_page,
    "errands": errands_page,
    "settings": lambda _, context: settings_page(context),
}

LATER: Final[Mapping[str, Load]] = {"card": card_page_with_directory}
"""Pages with all that other hosts are asked for."""

WITHOUT_AGENT: Final[Mapping[str, Callable[[Context], tuple[Section, ...]]]] = {
    "errands": lambda context: errands_page(None, context),
    "settings": settings_page,
}


def page_title(name: str, words: NullTranslations) -> str:
    """What the page is called."""
    return {
        "card": words.gettext("Card"),
        "certificates": words.gettext("Certificates"),
        "means": words.gettext("Means of identification"),
        "grants": words.gettext("Sites and programs"),
        "journal": words.gettext("Journal"),
        "diagnosis": words.gettext("Diagnosis"),
        "errands": words.gettext("Whom to turn to"),
        "settings": words.gettext("Settings"),
    }[name]


def load_steps(name: str, context: Context) -> Iterator[tuple[Section, ...]]:
    """The page; where other hosts are asked for more, the page with that as well, at once if it comes quickly."""
    page = load_page(name, context)
    if name not in LATER:
        yield page
        return
    found: SimpleQueue[tuple[Section, ...]] = SimpleQueue()
    work = functools.partial(_put_page, found, LATER[name], name, context)
    threading.Thread(target=work, name="ask for more", daemon=True).start()
    try:
        whole = found.get(timeout=PATIENCE_S)
    except Empty:
        yield page
        whole = found.get()
    yield whole or page


def _put_page(found: SimpleQueue[tuple[Section, ...]], load: Load, name: str, context: Context) -> None:
    """Put nothing when there is nothing to put into words: the page is there already."""
    page: tuple[Section, ...] = ()
    try:
        page = _load(load, name, context)
    finally:
        found.put(page)


def load_page(name: str, context: Context) -> tuple[Section, ...]:
    """Ask the agent, and put its answer into words; what it refuses, and its absence, are words as well."""
    return _load(PAGES[name], name, context)


def _load(load: Load, name: str, context: Context) -> tuple[Section, ...]:
    try:
        with Client.of(context.settings.data_dir, CALL_S) as client:
            return load(client, context)
    except AgentUnreachableError as error:
        if name in WITHOUT_AGENT:
            return WITHOUT_AGENT[name](context)
        return unreachable_page(error, context)
    except AgentProblemError as error:
        sentence = error.problem.get("detailFr" if context.language == "fr" else "detail")
        return (Section(shown(sentence or error, 400)),)
