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
from people_values import CONSENT, LOGIN

from agent.people.prompt import Notice, PromptUnavailableError
from agent.people.terminal import TerminalPrompt

CHILD = """
import asyncio, fcntl, sys, termios
sys.path.insert(0, sys.argv[3])
if sys.argv[4] == "terminal":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from dataclasses import replace
from agent.people.prompt import PinAnswer
from agent.people.terminal import TerminalPrompt
from people_values import CHANGE, CONSENT, LOGIN, UNBLOCK, digits

async def ask(what, seconds):
    prompt = TerminalPrompt(language="en", timeout_s=seconds)
    if what == "consent":
        return await prompt.confirm(CONSENT)
    last = replace(LOGIN, tries_left=1)
    answer = await prompt.ask_pin({"login": LOGIN, "change": CHANGE, "unblock": UNBLOCK, "last": last}[what])
    return [digits(pin) for pin in (answer.code, answer.new_code) if pin]

async def main():
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


def test_program_without_terminal_cannot_ask():
    with talk("login", terminal="none") as person:
        assert person.finish() == "PromptUnavailableError"


async def test_path_that_is_no_terminal(tmp_path):
    (tmp_path / "tty").touch()
    for path in (tmp_path / "tty", tmp_path / "nowhere"):
        prompt = TerminalPrompt(path=str(path))
        for question in (prompt.ask_pin(LOGIN), prompt.confirm(CONSENT), prompt.inform(Notice("a", "b"))):
            with pytest.raises(PromptUnavailableError):
                await question
