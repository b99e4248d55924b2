"""The terminal prompt on a real pseudo-terminal: nothing typed is shown, and the terminal is left as it was."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from people_values import CHANGE, CHOICE, CONSENT, LOGIN, NO_TRAY, PAD

from agent.people import terminal
from agent.people.prompt import PromptUnavailableError
from agent.people.terminal import TerminalPrompt

CHILD = """
import asyncio, fcntl, signal, sys, termios
signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it
sys.path.insert(0, sys.argv[3])
if sys.argv[4] == "terminal":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from dataclasses import replace
from agent.people.prompt import Action, PinAnswer
from agent.people.terminal import TerminalPrompt
from people_values import *
from people_values import digits
from drivers.pin import ON_PAD

async def ask(what, seconds):
    prompt = TerminalPrompt(language="en", timeout_s=seconds)
    if what == "consent":
        return await prompt.confirm(CONSENT)
    if what == "choice":
        return await prompt.choose_card(CHOICE)
    if what == "protects":
        return digits(await prompt.agree(PROTECTS))
    if what == "leave":
        return await prompt.agree(REMOVES)
    if what == "tell":
        asking = asyncio.create_task(prompt.ask_pin(LOGIN))
        await prompt.inform(ON_READER)
        answer = await asking
        return digits(answer.code)
    last = replace(LOGIN, tries_left=1)
    questions = {
        "passphrase": SOFTWARE_SIGN, "login": LOGIN, "change": CHANGE, "unblock": UNBLOCK, "last": last, "pad": PAD,
        "last-pad": replace(PAD, tries_left=1), "session": replace(LOGIN, session_minutes=15, session_uses=20),
        "documents": replace(LOGIN, action=Action.SIGN, subjects=("a.pdf", "b.pdf"), sizes=(1000, 2000)),
    }
    answer = await prompt.ask_pin(questions[what])
    if answer.code is ON_PAD:
        return "on pad"
    if what == "session":
        return digits(answer.code), answer.session
    return [digits(pin) for pin in (answer.code, answer.new_code) if pin]

async def main():
    # As in the daemon, a signal wakes the loop: it may come just before the loop goes to sleep.
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: None)
    try:
        if sys.argv[5] == "cancelled":
            await asyncio.wait_for(ask(sys.argv[1], 60), float(sys.argv[2]))
        result = await ask(sys.argv[1], float(sys.argv[2]))
    except Exception as error:
        result = type(error).__name__
    print(result, flush=True)

asyncio.run(main())
"""


class Talk:
    """The person's side of the terminal."""

    def __init__(self, master, slave, process):
        self.master, self.slave, self.process = master, slave, process
        self.before = termios.tcgetattr(slave)
        self.screen = ""

    def expect(self, text):
        """Wait until the screen shows it after what was expected before."""
        end = time.monotonic() + 20
        while text not in self.screen:
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            assert ready, f"{text!r} is not in {self.screen!r}"
            self.screen += os.read(self.master, 4096).decode()
        self.screen = self.screen.partition(text)[2]

    def expect_all(self, *texts):
        """Wait until the screen shows them all, in any order."""
        end = time.monotonic() + 20
        while not all(text in self.screen for text in texts):
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            assert ready, f"{texts} are not in {self.screen!r}"
            self.screen += os.read(self.master, 4096).decode()

    def type_keys(self, keys):
        os.write(self.master, keys.encode())

    def finish(self):
        """Give what the program printed; the terminal is as it was."""
        printed, _ = self.process.communicate(timeout=20)
        assert termios.tcgetattr(self.slave) == self.before
        return printed.decode().strip()


@contextmanager
def talk(what, seconds=60, *, terminal="terminal", how=""):
    master, slave = pty.openpty()
    here = str(Path(__file__).parent)
    process = subprocess.Popen(
        (sys.executable, "-c", CHILD, what, str(seconds), here, terminal, how),
        stdin=slave,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Talk(master, slave, process)
    finally:
        process.kill()
        process.communicate()
        os.close(master)
        os.close(slave)


def test_code_is_read_and_never_shown():
    with talk("login") as person:
        person.expect("dmp.example")
        person.expect("3 tries left.")
        person.expect("CPS code: ")
        person.type_keys("1234\n")
        assert person.finish() == "['1234']"
        assert "1234" not in person.screen + os.read(person.master, 4096).decode()


def test_wrong_formats_are_asked_again():
    with talk("login") as person:
        for keys in ("\n", "abcd\n"):
            person.expect("CPS code: ")
            person.type_keys(keys)
            person.expect("Please type 4 to 8 digits.")
        person.expect("CPS code: ")
        person.type_keys("99\x15129\x7f34\r")
        assert person.finish() == "['1234']"


def test_third_wrong_format_refuses():
    with talk("login") as person:
        for keys in ("123\n", "123456789\n", "x" * 200 + "\n"):
            person.expect("CPS code: ")
            person.type_keys(keys)
        assert person.finish() == "PromptRefusedError"


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_ctrl_c_refuses_and_restores(key):
    with talk("login") as person:
        person.expect("CPS code: ")
        person.type_keys("12" + key)
        assert person.finish() == "PromptRefusedError"


def test_interrupt_of_the_program_restores():
    with talk("login") as person:
        person.expect("CPS code: ")
        person.process.send_signal(signal.SIGINT)
        person.process.wait(20)
        assert termios.tcgetattr(person.slave) == person.before


def test_silence_refuses_and_restores():
    with talk("login", 0.5) as person:
        person.expect("CPS code: ")
        assert person.finish() == "PromptTimeoutError"


def test_cancelling_restores_at_once():
    with talk("login", 0.5, how="cancelled") as person:
        person.expect("CPS code: ")
        assert person.finish() == "TimeoutError"


def test_new_code_must_match():
    with talk("change") as person:
        for field, keys in (
            ("Current code", "1234"),
            ("New code", "5678"),
            ("New code again", "5679"),
            ("The two new codes differ.\r\nNew code", "5678"),
            ("New code again", "5678"),
        ):
            person.expect(f"{field}: ")
            person.type_keys(keys + "\n")
        assert person.finish() == "['1234', '5678']"


def test_unblocking_code_has_eight_digits():
    with talk("unblock") as person:
        for field, keys in (
            ("Unblocking code", "1234"),
            ("Unblocking code", "12345678"),
            ("New code", "4321"),
            ("New code again", "4321"),
        ):
            person.expect(f"{field}: ")
            person.type_keys(keys + "\n")
        assert person.finish() == "['12345678', '4321']"


@pytest.mark.parametrize(("keys", "result"), [("y\n", "['1234']"), ("\n", "PromptRefusedError")])
def test_last_try_is_confirmed_first(keys, result):
    with talk("last") as person:
        person.expect("blocks the card. [y/N] ")
        person.type_keys(keys)
        if keys != "\n":
            person.expect("CPS code: ")
            person.type_keys("1234\n")
        assert person.finish() == result


@pytest.mark.parametrize(("keys", "result"), [("y\n", "True"), ("\n", "False"), ("no\n", "False"), ("\x03", "False")])
def test_consent_is_no_by_default(keys, result):
    with talk("consent") as person:
        person.expect("Allow this? [y/N] ")
        person.type_keys(keys)
        assert person.finish() == result


@pytest.mark.parametrize(
    ("lines", "result"),
    [
        (["2"], "2000114459"),
        (["0", "4", "3"], "0077120033"),
        (["x", "-1", "²"], "PromptRefusedError"),
        ([""], "PromptRefusedError"),
        (["\x03"], "PromptRefusedError"),
    ],
)
def test_card_is_chosen_by_its_place(lines, result):
    with talk("choice") as person:
        person.expect("1. DUPONT Marie [TEST CARD], CPS no. 99213845")
        person.expect("3. CENTRE HOSPITALIER")
        for line in lines:
            person.expect("Which one? (Enter alone refuses) ")
            person.type_keys(line + "\n")
        assert person.finish() == result


@pytest.mark.parametrize(("keys", "result"), [("y\n", "on pad"), ("\n", "PromptRefusedError")])
def test_pad_is_agreed_to_and_no_code_is_asked(keys, result):
    with talk("pad") as person:
        person.expect("never on this computer")
        person.expect("Continue on the reader? [y/N] ")
        person.type_keys(keys)
        assert person.finish() == result


def test_last_try_on_the_pad_is_confirmed_first():
    with talk("last-pad") as person:
        person.expect("blocks the card. [y/N] ")
        person.type_keys("y\n")
        person.expect("Continue on the reader? [y/N] ")
        person.type_keys("y\n")
        assert person.finish() == "on pad"


@pytest.mark.parametrize(("keys", "session"), [("y\n", True), ("\n", False)])
def test_session_is_offered_and_not_taken_by_default(keys, session):
    with talk("session") as person:
        person.expect("CPS code: ")
        person.type_keys("1234\n")
        person.expect("15 minutes and 20 uses at most, for this requester and this card. [y/N] ")
        person.type_keys(keys)
        assert person.finish() == f"('1234', {session})"


def test_session_question_that_is_refused_gives_no_code():
    with talk("session") as person:
        person.expect("CPS code: ")
        person.type_keys("1234\n")
        person.expect("[y/N] ")
        person.type_keys("\x03")
        assert person.finish() == "PromptRefusedError"


def test_documents_are_listed_with_their_sizes():
    with talk("documents") as person:
        person.expect("To sign: 2 documents, 3 kB in all")
        person.expect("- a.pdf (1 kB)")
        person.expect("- b.pdf (2 kB)")
        person.type_keys("1234\n")
        assert person.finish() == "['1234']"


def test_what_to_do_on_the_reader_is_told_beside_a_question():
    with talk("tell") as person:
        person.expect_all("== Type your code on the reader ==", "CPS code: ")
        person.type_keys("1234\n")
        assert person.finish() == "1234"


def test_program_without_terminal_cannot_ask():
    with talk("login", terminal="none") as person:
        assert person.finish() == "PromptUnavailableError"


async def test_path_that_is_no_terminal(tmp_path):
    (tmp_path / "tty").touch()
    for path in (tmp_path / "tty", tmp_path / "nowhere"):
        prompt = TerminalPrompt(path=str(path))
        for question in (
            prompt.ask_pin(LOGIN),
            prompt.confirm(CONSENT),
            prompt.choose_card(CHOICE),
            prompt.ask_pin(PAD),
            prompt.inform(NO_TRAY),
        ):
            with pytest.raises(PromptUnavailableError):
                await question


class TornConsole:
    """A terminal that goes away after so many codes were typed; it keeps them, to look at them afterwards."""

    def __init__(self, codes):
        self.typed = []
        self._codes = codes

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def write(self, text):
        pass

    def read_line(self, question, *, shown=False, limit=64):
        if len(self.typed) == self._codes:
            raise OSError(5, "the line is torn")
        self.typed.append(bytearray(b"1234"))
        return self.typed[-1]


@pytest.mark.parametrize("codes", [1, 2])
async def test_attack_terminal_torn_between_two_codes_leaves_none(monkeypatch, codes):
    console = TornConsole(codes)
    monkeypatch.setattr(terminal, "Console", lambda *_: console)
    with pytest.raises(PromptUnavailableError):
        await TerminalPrompt(language="en").ask_pin(CHANGE)
    assert [bytes(code) for code in console.typed] == [bytes(4)] * codes
