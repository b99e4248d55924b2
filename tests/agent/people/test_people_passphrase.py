"""Passphrases and consents to one use: in the window, on the terminal, through the pipe and by script."""

from __future__ import annotations

import asyncio
import sys
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people_values import KEPT, LOGIN, NO_CODE, OPENS, PROTECTS, REMOVES, SOFTWARE_SIGN, digits
from support.clipboard import filled_clipboard
from support.display import find_missing_tools, virtual_display
from test_people_terminal import talk

from agent.people.desk import DENIAL_S, Desk
from agent.people.dialog.code_buffer import CodeBuffer
from agent.people.dialog_process import DialogPrompt
from agent.people.frame import MAX_FRAME, FrameError, Verdict, read_frame, write_frame
from agent.people.page import CodeField
from agent.people.prompt import (
    Action,
    Deed,
    PinKind,
    PinRequest,
    Prompt,
    PromptRefusedError,
    PromptUnavailableError,
    RefusingPrompt,
)
from agent.people.scripted import ScriptedPrompt
from agent.people.translations import load_words
from agent.people.wire import Envelope, read_envelope, write_envelope
from agent.people.wording import write_page
from drivers.pin import Passphrase

MISSING = find_missing_tools()
needs_screen = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
CHANGE = replace(SOFTWARE_SIGN, kind=PinKind.CHANGE, action=Action.CHANGE_PIN, subjects=(), sizes=())
TYPABLE = st.characters(exclude_categories=("Cs", "Cc", "Cf", "Cn", "Co", "Zl", "Zp"))
MARKS = "é€𝄞 ß"


def answering(frame: bytes) -> DialogPrompt:
    script = f"import os, sys; sys.stdin.buffer.readline(); os.write(1, {bytes(frame)!r})"
    return DialogPrompt((sys.executable, "-I", "-c", script))


@given(st.text(TYPABLE, max_size=128))
def test_what_is_typed_leaves_the_buffer_as_utf8_and_zeroes_behind(text):
    buffer = CodeBuffer(128)
    for character in text:
        buffer.insert(len(buffer), ord(character))
    assert buffer.take().decode() == text
    assert not any(buffer._characters)


@given(st.text(TYPABLE, min_size=1, max_size=128), st.text(TYPABLE, max_size=128))
def test_passphrases_travel_in_a_frame(first, second):
    frame = write_frame(Verdict.PASSPHRASES, first.encode(), second.encode())
    assert len(frame) <= MAX_FRAME
    answer = read_frame(memoryview(frame))
    assert isinstance(answer.code, Passphrase)
    assert digits(answer.code) == first
    assert (answer.new_code is None) == (second == "")
    assert answer.new_code is None or digits(answer.new_code) == second


@pytest.mark.parametrize(
    "frame",
    [
        b"\x06\x00\x00\x00\x00",
        b"\x06\x00\x011",
        b"\x06\x00\x011\x00",
        b"\x06\x00\x011\x00\x00\x00",
        b"\x06\x00\x02\xc3\x28\x00\x00",
        b"\x06\x00\x01\x00\x00\x00",
        b"\x06\x00\x811" + b"1" * 128 + b"\x00\x00",
        b"\x06\xff\xff1\x00\x00",
        b"\x08\x00\x011\x00\x00",
    ],
)
def test_attack_malformed_passphrases_are_refused(frame):
    with pytest.raises(FrameError):
        read_frame(memoryview(frame))


@pytest.mark.parametrize("question", [OPENS, PROTECTS, REMOVES, SOFTWARE_SIGN, NO_CODE, CHANGE])
def test_questions_travel_to_the_dialog(question):
    read = read_envelope(write_envelope(Envelope(question, "fr"))).question
    if isinstance(question, PinRequest):
        question = replace(question, subject_count=len(question.subjects))
    assert read == question


@pytest.mark.parametrize(
    ("request_", "frame"),
    [
        (SOFTWARE_SIGN, b"\x02\x041234\x00"),
        (SOFTWARE_SIGN, b"\x01"),
        (SOFTWARE_SIGN, b"\x07\x00\x0212\x00\x00"),
        (SOFTWARE_SIGN, b"\x06\x00\x0212\x00\x0212"),
        (CHANGE, b"\x06\x00\x0212\x00\x00"),
        (LOGIN, b"\x06\x00\x041234\x00\x00"),
        (NO_CODE, b"\x02\x041234\x00"),
        (NO_CODE, b"\x04"),
    ],
)
async def test_attack_answer_to_another_question_unlocks_nothing(request_, frame):
    with pytest.raises(PromptUnavailableError):
        await answering(frame).ask_pin(request_)


@pytest.mark.parametrize(
    ("request_", "frame"), [(OPENS, b"\x01"), (OPENS, b"\x02\x041234\x00"), (REMOVES, b"\x06\x00\x0212\x00\x00")]
)
async def test_attack_answer_to_another_deed_is_no_leave(request_, frame):
    with pytest.raises(PromptUnavailableError):
        await answering(frame).agree(request_)


async def test_answers_to_deeds():
    assert digits(await answering(b"\x06\x00\x02\xc3\xa9\x00\x00").agree(OPENS)) == "é"
    assert await answering(b"\x01").agree(REMOVES) is None
    assert (await answering(b"\x01").ask_pin(NO_CODE)).code is None
    for request in (OPENS, PROTECTS, REMOVES):
        with pytest.raises(PromptRefusedError):
            await answering(b"\x00").agree(request)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_no_word_of_a_card_where_there_is_none(language):
    words = load_words(language)
    for question in (SOFTWARE_SIGN, NO_CODE, CHANGE, OPENS, PROTECTS, REMOVES):
        page = write_page(question, words)
        texts = [page.title, page.heading, page.advice, page.tries, page.session, page.mark]
        texts += [text for fact in page.facts for text in (fact.label, fact.text)]
        assert not any(word in f" {text} ".lower() for text in texts if text for word in (" card ", " carte ", "cpf"))


def test_hostile_certificates_stay_plain_and_few():
    kept = replace(KEPT, holder="\u202eevil\nValid until: 2099", role="<b>SIGN</b>")
    page = write_page(replace(REMOVES, certificates=(kept,) * 500), load_words("en"))
    texts = [fact.text for fact in page.facts]
    assert len(texts) < 80
    assert "and 480 others" in texts
    assert not any(unicodedata.category(character)[0] == "C" for text in texts for character in text)


def test_field_of_a_passphrase_counts_characters():
    field = CodeField("", 1, 4, passphrase=True)
    assert all(field.accepts(text.encode()) for text in ("a", MARKS[:4], "𝄞" * 4))
    assert not any(field.accepts(text.encode()) for text in ("", "12345"))


async def test_a_no_stands_for_the_deed_and_not_for_another():
    clock = [0.0]

    class No(RefusingPrompt):
        async def agree(self, request):
            raise PromptRefusedError

    desk = Desk(No(), clock=lambda: clock[0])
    for _ in range(3):
        with pytest.raises(PromptRefusedError):
            await desk.agree(REMOVES)
    assert desk.denials == 1
    with pytest.raises(PromptRefusedError):
        await desk.agree(replace(REMOVES, deed=Deed.ORDER))
    assert desk.denials == 2
    clock[0] += DENIAL_S
    assert desk.denials == 0


async def test_script_opens_files_once_and_agrees():
    script: Prompt = ScriptedPrompt("1234", "12345678")
    assert digits(await script.agree(OPENS)) == "1234"
    assert await script.agree(REMOVES) is None
    with pytest.raises(PromptUnavailableError):
        await script.agree(replace(OPENS, wrong=True))


async def test_attack_script_gives_nothing_for_a_real_certificate():
    script = ScriptedPrompt("1234", "12345678")
    for request in (SOFTWARE_SIGN, NO_CODE, CHANGE):
        with pytest.raises(PromptUnavailableError):
            await script.ask_pin(request)
        given = await script.ask_pin(replace(request, card=replace(request.card, test_token=True)))
        assert (given.code is None) == request.no_code


def test_passphrase_on_the_terminal():
    with talk("passphrase") as terminal:
        terminal.expect("Passphrase: ")
        terminal.type_keys(f"{MARKS}x€\x7f\x7f\n")
        assert terminal.finish() == f"['{MARKS}']"
        assert "x" not in terminal.screen


def test_new_passphrase_on_the_terminal_is_typed_twice():
    with talk("protects") as terminal:
        for text in ("première", "autre", "seconde", "seconde"):
            terminal.expect("New passphrase")
            terminal.expect(": ")
            terminal.type_keys(text + "\n")
        assert terminal.finish() == "seconde"


def test_leave_on_the_terminal():
    for keys, said in (("y\n", "None"), ("\n", "PromptRefusedError")):
        with talk("leave") as terminal:
            terminal.expect("[y/N]")
            terminal.type_keys(keys)
            assert terminal.finish() == said


@pytest.fixture(scope="module")
def screen():
    pytest.importorskip("PySide6", reason="needs the `desktop` extra")
    with virtual_display() as display:
        display.run("setxkbmap", "fr")  # é has a key of its own there, € is AltGr with another
        yield display


@pytest.fixture
def show(screen, monkeypatch):
    """Ask a question on the screen; the window listens and has the focus once the task is given."""
    monkeypatch.setenv("DISPLAY", screen.name)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    prompt = DialogPrompt((sys.executable, "-I", "-m", "agent.people.dialog"), language="en")

    async def show(ask):
        task = asyncio.create_task(ask(prompt))
        window = await asyncio.to_thread(screen.find_window, "^CPS [a-z]+$")
        await asyncio.to_thread(screen.focus, window)
        return task

    return show


async def finish(task):
    async with asyncio.timeout(20):
        return await task


@needs_screen
async def test_window_takes_any_character_and_no_paste(screen, show):
    with filled_clipboard(screen, "pasted"):
        task = await show(lambda prompt: prompt.ask_pin(replace(SOFTWARE_SIGN, session_minutes=15)))
        await asyncio.to_thread(screen.press, "ctrl+v", "shift+Insert", "ctrl+a", "XF86Paste")
        await asyncio.to_thread(screen.type_text, "Bé €uro!x")
        await asyncio.to_thread(screen.press, "BackSpace", "Return")
        with await finish(task) as answer:
            assert isinstance(answer.code, Passphrase)
            assert (digits(answer.code), answer.new_code, answer.session) == ("Bé €uro!", None, False)


@needs_screen
async def test_window_takes_a_new_passphrase_typed_twice_alike(screen, show):
    task = await show(lambda prompt: prompt.agree(PROTECTS))
    await asyncio.to_thread(screen.type_text, "tilleul 22")
    await asyncio.to_thread(screen.press, "Return")
    await asyncio.to_thread(screen.type_text, "tilleul 23")
    await asyncio.to_thread(screen.press, "Return", "BackSpace", "2", "Return")
    assert digits(await finish(task)) == "tilleul 22"


@needs_screen
@pytest.mark.parametrize("ask", [lambda prompt: prompt.agree(REMOVES), lambda prompt: prompt.ask_pin(NO_CODE)])
async def test_consent_to_one_use_is_refused_by_default_and_given_by_keyboard(screen, show, ask):
    task = await show(ask)
    await asyncio.to_thread(screen.press, "Return")
    with pytest.raises(PromptRefusedError):
        await finish(task)
    task = await show(ask)
    await asyncio.to_thread(screen.press, "shift+Tab", "space")
    answer = await finish(task)
    assert answer is None or answer.code is None
