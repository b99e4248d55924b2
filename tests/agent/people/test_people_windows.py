"""The real window on a real X server, driven by keys as a person would."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from people_values import CHANGE, CHOICE, CONSENT, LOGIN, NO_TRAY, NUMBER, ON_READER, PAD, UNBLOCK, digits
from support.clipboard import filled_clipboard
from support.display import find_missing_tools, virtual_display
from support.waiting import wait_until

from agent.people.dialog_process import DialogPrompt
from agent.people.prompt import PromptRefusedError, PromptUnavailableError
from drivers.pin import ON_PAD

MISSING = find_missing_tools()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
pytest.importorskip("PySide6", reason="needs the `desktop` extra")

COMMAND = (sys.executable, "-I", "-m", "agent.people.dialog")
NOT_YET = "^CPS…$"
READY = "^CPS [a-z]+$"


@pytest.fixture(scope="module")
def screen():
    with virtual_display() as display:
        yield display


@pytest.fixture
def desk(screen, monkeypatch):
    """Ask questions on the screen; `show` gives the task and the window once it listens."""
    monkeypatch.setenv("DISPLAY", screen.name)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return DeskWithScreen(screen)


QUESTIONS = {
    "pin": lambda prompt: prompt.ask_pin(LOGIN),
    "pad": lambda prompt: prompt.ask_pin(PAD),
    "consent": lambda prompt: prompt.confirm(CONSENT),
    "choice": lambda prompt: prompt.choose_card(CHOICE),
    "notice": lambda prompt: prompt.inform(ON_READER),
}


class DeskWithScreen:
    def __init__(self, screen):
        self.screen = screen
        self.prompt = DialogPrompt(COMMAND, language="en")

    async def show(self, question, title=READY):
        task = asyncio.create_task(question)
        window = await asyncio.to_thread(self.screen.find_window, title)
        await asyncio.to_thread(self.screen.focus, window)
        return task, window

    async def type_text(self, text):
        await asyncio.to_thread(self.screen.type_text, text)

    async def press(self, *keys):
        await asyncio.to_thread(self.screen.press, *keys)

    def is_shown(self, window):
        return window in self.screen.list_windows("^CPS")

    async def click(self, button, window, times=1):
        """Click into the code field of a page with one."""
        await asyncio.to_thread(self._click, button, window, times)

    def _click(self, button, window, times):
        shape = self.screen.measure(window)
        x, y = shape["WIDTH"] * 35 // 100, shape["HEIGHT"] * 68 // 100
        self.screen.run("xdotool", "mousemove", "--window", window, str(x), str(y))
        self.screen.run("xdotool", "click", "--repeat", str(times), "--delay", "20", str(button))


async def finish(task):
    async with asyncio.timeout(20):
        return await task


async def test_code_and_return(desk):
    task, _ = await desk.show(desk.prompt.ask_pin(LOGIN))
    await desk.type_text("1234")
    await desk.press("Return")
    answer = await finish(task)
    assert (digits(answer.code), answer.new_code, answer.session) == ("1234", None, False)


async def test_escape_refuses(desk):
    task, _ = await desk.show(desk.prompt.ask_pin(LOGIN))
    await desk.type_text("1234")
    await desk.press("Escape")
    with pytest.raises(PromptRefusedError):
        await finish(task)


async def test_closing_the_window_refuses(desk):
    task, window = await desk.show(desk.prompt.ask_pin(LOGIN))
    await asyncio.to_thread(desk.screen.press, "alt+F4")  # the window manager's own key
    with pytest.raises(PromptRefusedError):
        await finish(task)
    assert window


async def test_letters_and_shortcuts_never_come_through(desk):
    task, _ = await desk.show(desk.prompt.ask_pin(LOGIN))
    await desk.type_text("a1b2é3!4")
    await desk.press("ctrl+a")
    await desk.type_text("5x")
    await desk.press("Return")
    assert digits((await finish(task)).code) == "12345"


async def test_return_with_a_short_code_does_nothing(desk):
    task, _ = await desk.show(desk.prompt.ask_pin(LOGIN))
    await desk.type_text("123")
    await desk.press("Return")
    await desk.type_text("4567890")
    await desk.press("BackSpace", "Return")
    assert digits((await finish(task)).code) == "1234567"


async def test_keys_of_the_first_moments_are_ignored(desk):
    for _ in range(5):  # on a slow machine the moment may be over before the keys are typed
        task, window = await desk.show(desk.prompt.ask_pin(LOGIN), NOT_YET)
        await desk.press("9", "8", "7", "6", "Return")
        early = (await asyncio.to_thread(desk.screen.run, "xdotool", "getwindowname", window)).strip() == "CPS…"
        if early:
            break
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert early
    await asyncio.to_thread(desk.screen.find_window, READY)
    await desk.type_text("1234")
    await desk.press("Return")
    assert digits((await finish(task)).code) == "1234"


async def test_window_does_not_take_the_focus(desk):
    task = asyncio.create_task(desk.prompt.ask_pin(LOGIN))
    window = await asyncio.to_thread(desk.screen.find_window, READY)
    focused = await asyncio.to_thread(desk.screen.run, "xdotool", "getwindowfocus")
    assert focused.strip() != window
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_last_try_needs_its_tick(desk):
    task, _ = await desk.show(desk.prompt.ask_pin(replace(LOGIN, tries_left=1)))
    await desk.type_text("1234")
    await desk.press("Return")  # goes to the tick
    await desk.press("Return")  # still not ticked
    await desk.press("space", "Return")
    assert digits((await finish(task)).code) == "1234"


async def test_session_is_ticked_by_the_person(desk):
    task, _ = await desk.show(desk.prompt.ask_pin(replace(LOGIN, session_minutes=15)))
    await desk.type_text("1234")
    await desk.press("Tab", "space", "Return")
    answer = await finish(task)
    assert (digits(answer.code), answer.session) == ("1234", True)


async def test_new_code_is_typed_twice_alike(desk):
    task, _ = await desk.show(desk.prompt.ask_pin(CHANGE))
    for code in ("1234", "56789", "56780"):
        await desk.type_text(code)
        await desk.press("Return")
    await desk.press("BackSpace", "9", "Return")
    answer = await finish(task)
    assert (digits(answer.code), digits(answer.new_code)) == ("1234", "56789")


async def test_unblocking_code_has_eight_digits(desk):
    task, _ = await desk.show(desk.prompt.ask_pin(UNBLOCK))
    await desk.type_text("1234")
    await desk.press("Return")  # stays
    await desk.type_text("5678")
    await desk.press("Tab")
    await desk.type_text("4321")
    await desk.press("Tab")
    await desk.type_text("4321")
    await desk.press("Return")
    answer = await finish(task)
    assert (digits(answer.code), digits(answer.new_code)) == ("12345678", "4321")


async def test_consent_is_refused_by_default(desk):
    task, _ = await desk.show(desk.prompt.confirm(CONSENT))
    await desk.press("Return")
    assert await finish(task) is False


async def test_consent_is_given_by_keyboard(desk):
    task, _ = await desk.show(desk.prompt.confirm(CONSENT))
    await desk.press("shift+Tab", "space")
    assert await finish(task) is True


@pytest.mark.parametrize("key", ["Escape", "Return"])
@pytest.mark.parametrize("notice", [NO_TRAY, ON_READER])
async def test_notice_is_closed(desk, notice, key):
    task, _ = await desk.show(desk.prompt.inform(notice))
    await desk.press(key)
    await finish(task)


@pytest.mark.parametrize("notice", [ON_READER, NUMBER])
async def test_notice_goes_with_what_it_is_about(desk, notice):
    """The code was typed on the reader; the login was made, or given up."""
    task, window = await desk.show(desk.prompt.inform(notice))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finish(task)
    assert not desk.is_shown(window)


async def test_pad_is_refused_by_default(desk):
    task, _ = await desk.show(desk.prompt.ask_pin(PAD))
    await desk.press("Return")
    with pytest.raises(PromptRefusedError):
        await finish(task)


async def test_pad_is_agreed_to_by_keyboard(desk):
    task, _ = await desk.show(desk.prompt.ask_pin(PAD))
    await desk.press("shift+Tab", "space")
    assert (await finish(task)).code is ON_PAD


async def test_last_try_on_the_pad_needs_its_tick(desk):
    task, _ = await desk.show(desk.prompt.ask_pin(replace(PAD, tries_left=1)))
    await desk.type_text("1234")  # nothing takes digits here
    await desk.press("Return", "space", "Return")  # stays, is ticked, agrees
    answer = await finish(task)
    assert (answer.code, answer.new_code, answer.session) == (ON_PAD, None, False)


async def test_no_card_is_chosen_by_return_alone(desk):
    task, window = await desk.show(desk.prompt.choose_card(CHOICE))
    await desk.press("Return", "Return")
    assert desk.is_shown(window)
    await desk.press("Escape")
    with pytest.raises(PromptRefusedError):
        await finish(task)


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (["space", "Return"], 0),
        (["Down", "Down", "space", "Return"], 2),
        (["space", "Down", "Return"], 1),
        (["Down", "space", "Tab", "space"], 1),
        (["Down", "Return", "Down", "Return", "space", "Return"], 2),
    ],
)
async def test_card_is_chosen_by_keyboard(desk, keys, place):
    task, _ = await desk.show(desk.prompt.choose_card(CHOICE))
    await desk.press(*keys)
    assert await finish(task) == CHOICE.cards[place].number


async def test_no_chord_agrees(desk):
    """A page can talk people into keys; no letter with Alt or Control presses a button."""
    task, window = await desk.show(desk.prompt.confirm(CONSENT))
    for modifier in ("alt", "ctrl", "alt+shift"):
        await desk.press(*(f"{modifier}+{letter}" for letter in "aorycvf"))
    assert desk.is_shown(window)
    await desk.press("Escape")
    assert await finish(task) is False


async def test_nothing_is_pasted_into_a_code_field(desk):
    with filled_clipboard(desk.screen, "87654321"):
        task, window = await desk.show(desk.prompt.ask_pin(LOGIN))
        for paste in ("ctrl+v", "shift+Insert", "ctrl+y", "XF86Paste"):
            await desk.press(paste)
        await desk.click(2, window)
        await desk.type_text("2468")
        await desk.press("Return")
        assert digits((await finish(task)).code) == "2468"


async def test_nothing_is_copied_out_of_a_code_field(desk):
    with filled_clipboard(desk.screen, "87654321") as read:
        task, window = await desk.show(desk.prompt.ask_pin(LOGIN))
        await desk.type_text("2468")
        await desk.press("Home", "shift+End", "ctrl+c", "ctrl+Insert", "XF86Copy", "ctrl+a", "ctrl+c")
        await desk.click(1, window, 2)
        await desk.click(1, window, 3)
        await desk.press("Home", "shift+End", "ctrl+x", "XF86Cut", "ctrl+k")
        assert await asyncio.to_thread(read) == ["87654321", "87654321"]
        await desk.press("Home", "shift+End", "shift+Delete")
        await desk.type_text("1357")
        await desk.press("Return")
        assert digits((await finish(task)).code) == "1357"
        assert await asyncio.to_thread(read) == ["87654321", "87654321"]


async def test_killed_child_grants_nothing(desk):
    task, window = await desk.show(desk.prompt.ask_pin(LOGIN))
    pid = await asyncio.to_thread(desk.screen.run, "xdotool", "getwindowpid", window)
    os.kill(int(pid), signal.SIGKILL)
    with pytest.raises(PromptUnavailableError):
        await finish(task)


@pytest.mark.parametrize("kind", list(QUESTIONS))
async def test_cancelling_closes_the_window(desk, kind):
    task, window = await desk.show(QUESTIONS[kind](desk.prompt))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finish(task)
    assert not desk.is_shown(window)


DAEMON = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from people_values import *
from agent.people.dialog_process import DialogPrompt
prompt = DialogPrompt(sys.argv[3:], language="en")
questions = {
    "pin": lambda: prompt.ask_pin(LOGIN), "pad": lambda: prompt.ask_pin(PAD), "consent": lambda: prompt.confirm(CONSENT),
    "choice": lambda: prompt.choose_card(CHOICE), "notice": lambda: prompt.inform(ON_READER),
}
asyncio.run(questions[sys.argv[2]]())
"""


@pytest.mark.parametrize("typed", ["", "1234"])
@pytest.mark.parametrize("kind", list(QUESTIONS))
def test_window_goes_at_once_when_the_daemon_dies(screen, kind, typed):
    here = str(Path(__file__).parent)
    daemon = subprocess.Popen(
        (sys.executable, "-c", DAEMON, here, kind, *COMMAND), env=screen.environment, stdout=subprocess.DEVNULL
    )
    try:
        window = screen.find_window(READY)
        pid = int(screen.run("xdotool", "getwindowpid", window))
        screen.focus(window)
        screen.type_text(typed)
    finally:
        daemon.kill()
        daemon.wait(20)
    wait_until(lambda: window not in screen.list_windows(READY), "the end of the window", 10)
    wait_until(lambda: not Path(f"/proc/{pid}/fd/0").exists(), "the end of the dialog", 10)


@pytest.mark.parametrize("question", ["login", "consent"])
async def test_window_fits_a_small_screen_at_200_percent(monkeypatch, question):
    monkeypatch.setenv("QT_SCALE_FACTOR", "2")
    with virtual_display("1366x768x24") as screen:
        monkeypatch.setenv("DISPLAY", screen.name)
        desk = DeskWithScreen(screen)
        if question == "login":
            names = tuple(f"{n}.pdf" for n in range(7))
            coroutine = desk.prompt.ask_pin(replace(LOGIN, subjects=names, tries_left=1, session_minutes=15))
        else:
            coroutine = desk.prompt.confirm(CONSENT)
        task, window = await desk.show(coroutine)
        shape = screen.measure(window)
        assert shape["X"] >= 0
        assert shape["WIDTH"] <= 1366
        assert shape["Y"] + shape["HEIGHT"] <= 768
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
