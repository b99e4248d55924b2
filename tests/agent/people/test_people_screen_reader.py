"""What a screen reader is told of each dialog, read back through AT-SPI, and what it is never told."""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from people_values import CHANGE, CHOICE, LOGIN, PAD, SOFTWARE_SIGN
from screenshots.questions import QUESTIONS
from support.atspi import ScreenReader, find_missing_parts, flatten, screen_reader
from support.display import Display, find_missing_tools, virtual_display

from agent.people.dialog_process import DialogPrompt
from agent.people.prompt import CardChoice, ConfirmRequest, PinRequest
from agent.people.translations import load_words
from agent.people.wire import Envelope, read_envelope, write_envelope
from agent.people.wording import write_page

MISSING = find_missing_tools() + find_missing_parts()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
pytest.importorskip("PySide6", reason="needs the `desktop` extra")

COMMAND = (sys.executable, "-I", "-m", "agent.people.dialog")
LANGUAGES = ("fr", "en")


@dataclass
class Listener:
    """A screen, and somebody who hears instead of seeing."""

    screen: Display
    ears: ScreenReader


@pytest.fixture(scope="module")
def desk():
    with (
        virtual_display() as screen,
        tempfile.TemporaryDirectory() as folder,
        screen_reader(screen, Path(folder)) as ears,
    ):
        yield Listener(screen, ears)


@pytest.fixture
async def show(desk, monkeypatch):
    """Ask a question in a language; gives the title once the window has the keyboard. Taken back at the end."""
    for name in ("DISPLAY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "QT_LINUX_ACCESSIBILITY_ALWAYS_ON"):
        monkeypatch.setenv(name, desk.ears.environment[name])

    async def ask(question, language="en"):
        prompt = DialogPrompt(COMMAND, language=language)
        page = write_page(question, load_words(language))
        shown.append(asyncio.ensure_future(call(prompt, question)))
        window = await asyncio.to_thread(desk.screen.find_window, f"^{page.title}$")
        await asyncio.to_thread(desk.screen.focus, window)
        return page

    shown = []
    yield ask
    for asking in shown:
        asking.cancel()
    await asyncio.gather(*shown, return_exceptions=True)


def call(prompt, question):
    if isinstance(question, PinRequest):
        return prompt.ask_pin(question)
    if isinstance(question, ConfirmRequest):
        return prompt.confirm(question)
    return prompt.choose_card(question) if isinstance(question, CardChoice) else prompt.inform(question)


def in_transit(question):
    """As the dialog process has it."""
    return read_envelope(write_envelope(Envelope(question))).question


@pytest.mark.parametrize(("kind", "language"), tuple(itertools.product(QUESTIONS, LANGUAGES)))
async def test_every_part_of_a_dialog_has_its_name(desk, show, kind, language):
    question = in_transit(QUESTIONS[kind])
    page = await show(question, language)
    tree = await asyncio.to_thread(desk.ears.read, page.title)
    nodes = list(flatten(tree))

    def names(role):
        return [node["name"] for node in nodes if node["role"] == role]

    assert tree["role"] == "dialog"
    assert page.heading in tree["description"]
    labels = names("label")
    assert labels[0] == page.heading
    for sentence in (page.mark, page.advice, page.tries):
        assert sentence is None or sentence in labels
    for fact in page.facts:
        assert {fact.label, fact.text} - {""} <= set(labels)
        assert fact.label in tree["description"]
        shown = labels if len(fact.items) <= 7 else [node["name"] for node in nodes if "cell" in node["role"]]
        assert set(fact.items[:5]) <= set(shown)
    assert names("password text") == [field.label for field in page.fields]
    assert names("check box") == [tick for tick in (page.last_try, page.session) if tick]
    assert names("radio button") == [f"{choice.text}, {choice.detail}" for choice in page.choices]
    assert names("push button") == [text for text in (page.accept, page.refuse) if text]
    for node in nodes:
        if "focusable" in node["states"] and "cell" not in node["role"]:
            assert node["name"], node
        if node["role"] in ("push button", "password text"):
            assert node["description"], node


def expected_stops(page):
    """The Tab key's way from where the keyboard starts, while nothing is filled in."""
    first_choice = [f"{choice.text}, {choice.detail}" for choice in page.choices[:1]]
    form = [*(field.label for field in page.fields), *filter(None, (page.last_try, page.session))]
    agrees = [page.accept] if page.accept and not (page.fields or page.last_try or page.choices) else []
    lists = [f"{fact.label}, {fact.text}" for fact in page.facts if len(fact.items) > 7]
    return [*lists, *first_choice, *form, *agrees, page.refuse]


@pytest.mark.parametrize(
    "kind",
    [
        "login-for-a-program",
        "change-last-try",
        "pad",
        "pad-change-last-try",
        "batch",
        "consent-program",
        "choose",
        "notice-no-tray",
    ],
)
async def test_tab_goes_from_what_is_read_to_what_is_pressed(desk, show, kind):
    page = await show(in_transit(QUESTIONS[kind]))
    stops = expected_stops(page)
    start = await asyncio.to_thread(desk.ears.find_focused, page.title)
    asks = bool(page.fields or page.last_try or page.choices)
    assert start == (next(stop for stop in stops if not stop.startswith("To sign")) if asks else page.refuse)
    seen = []
    for _ in stops:
        await asyncio.to_thread(desk.screen.press, "Tab")
        seen.append(await asyncio.to_thread(desk.ears.find_focused, page.title))
    at = stops.index(start) + 1
    assert seen == stops[at:] + stops[:at]


async def hear(desk, kind):
    """Wait for an announcement, and give all events up to it."""
    events = []
    async with asyncio.timeout(20):
        while not any(kind in event["type"] for event in events):
            events += await asyncio.to_thread(desk.ears.take_events)
    return events


@pytest.mark.parametrize(
    ("question", "keys", "sentence"),
    [
        (LOGIN, ["a"], "Digits only (numeric keypad, or Shift)."),
        (LOGIN, ["1", "2", "Return"], "CPS code: 4 to 8 digits."),
        (replace(LOGIN, tries_left=1), ["1", "2", "3", "4", "Return"], "Tick the box about the last try first."),
        (replace(PAD, tries_left=1), ["Return"], "Tick the box about the last try first."),
        (CHANGE, [*"1234", "Tab", *"5678", "Tab", *"5679"], "The two new codes differ."),
        (CHOICE, ["Return"], "Choose a card first (arrow keys, then space)."),
    ],
)
async def test_what_is_wrong_is_said_aloud(desk, show, question, keys, sentence):
    page = await show(question)
    await asyncio.to_thread(desk.ears.read, page.title)  # from here on its events are heard
    await asyncio.to_thread(desk.ears.take_events)
    await asyncio.to_thread(desk.screen.press, *keys)
    said = [event["data"] for event in await hear(desk, "announcement") if "announcement" in event["type"]]
    assert said == [sentence]
    assert any(node["name"] == sentence for node in flatten(await asyncio.to_thread(desk.ears.read, page.title)))


@pytest.mark.parametrize(("question", "typed"), [(LOGIN, "8"), (SOFTWARE_SIGN, "8 Ba")])
async def test_attack_the_characters_of_a_code_do_not_cross_the_accessibility_bus(desk, show, question, typed):
    page = await show(question)
    await asyncio.to_thread(desk.ears.read, page.title)
    await asyncio.to_thread(desk.ears.take_events)
    await asyncio.to_thread(desk.screen.press, *"97531", "BackSpace", "Left")
    await asyncio.to_thread(desk.screen.type_text, typed)
    text = ""
    async with asyncio.timeout(20):
        while len(text) != 4 + len(typed):
            tree = await asyncio.to_thread(desk.ears.read, page.title)
            (text,) = (node["text"] for node in flatten(tree) if node["role"] == "password text")
    changes = [event["data"] for event in await hear(desk, "text-changed") if "text-changed" in event["type"]]
    for heard in (text, *changes):
        assert not any(character.isalnum() for character in heard)
    assert changes
