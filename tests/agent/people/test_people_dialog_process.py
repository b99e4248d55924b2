"""A dialog process that answers, lies, crashes, hangs or never starts: nothing but a whole answer is a yes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from people_values import CHANGE, CHOICE, CONSENT, LOGIN, NO_TRAY, PAD, UNBLOCK, digits

from agent.children import WINDOWS, clean_environment
from agent.people import dialog_process
from agent.people.dialog_process import DialogPrompt
from agent.people.pipe_reader import read_pipe, read_pipe_in_thread
from agent.people.prompt import PromptRefusedError, PromptTimeoutError, PromptUnavailableError
from drivers.pin import ON_PAD

REAL = (sys.executable, "-I", "-m", "agent.people.dialog")


def child(script: str, **options) -> DialogPrompt:
    start = "import os, sys, time; sys.stdin.buffer.readline();"
    return DialogPrompt((sys.executable, "-I", "-c", start + script), **options)


def answering(frame: bytes) -> DialogPrompt:
    return child(f"os.write(1, {frame!r})")


def list_own_descriptors():
    return set(Path("/proc/self/fd").iterdir())


async def wait_for_text(path):
    end = time.monotonic() + 10
    while not path.exists() or not path.read_text():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    return path.read_text()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_codes_arrive():
    with await answering(b"\x02\x041234\x00").ask_pin(LOGIN) as answer:
        assert digits(answer.code) == "1234"
        assert answer.new_code is None
    answer = await answering(b"\x02\x041234\x0556789").ask_pin(CHANGE)
    assert (digits(answer.code), digits(answer.new_code)) == ("1234", "56789")


async def test_answer_in_pieces_is_put_together():
    prompt = child("[(os.write(1, bytes([b])), time.sleep(0.01)) for b in b'\\x02\\x041234\\x00']")
    assert digits((await prompt.ask_pin(LOGIN)).code) == "1234"


async def test_refusal():
    with pytest.raises(PromptRefusedError):
        await answering(b"\x00").ask_pin(LOGIN)
    assert not await answering(b"\x00").confirm(CONSENT)
    assert await answering(b"\x01").confirm(CONSENT)
    await answering(b"\x00").inform(NO_TRAY)


async def test_attack_notice_answered_with_codes_leaves_none(monkeypatch):
    answers, read = [], dialog_process.read_frame
    monkeypatch.setattr(dialog_process, "read_frame", lambda frame: answers.append(read(frame)) or answers[-1])
    await answering(b"\x02\x041234\x0556789").inform(NO_TRAY)
    (answer,) = answers
    assert not any(answer.code._digits)
    assert not any(answer.new_code._digits)


@pytest.mark.parametrize(
    "script",
    [
        "",
        "os.write(1, b'\\x02\\x0412')",
        "os.write(1, b'\\x02\\x041234\\x00\\x00')",
        "os.write(1, b'\\x02\\x041234\\x00' * 1000)",
        "os.write(1, b'\\x01'); sys.exit(1)",
        "os.write(1, b'\\x02\\x041234\\x00'); os.abort()",
        "os.kill(os.getpid(), 9)",
    ],
)
async def test_anything_but_a_whole_answer_grants_nothing(script):
    with pytest.raises(PromptUnavailableError):
        await child(script).ask_pin(LOGIN)
    with pytest.raises(PromptUnavailableError):
        await child(script).confirm(CONSENT)
    with pytest.raises(PromptUnavailableError):
        await child(script).choose_card(CHOICE)
    with pytest.raises(PromptUnavailableError):
        await child(script).ask_pin(PAD)


@pytest.mark.parametrize(
    ("request_", "frame"),
    [
        (LOGIN, b"\x01"),
        (LOGIN, b"\x02\x041234\x045678"),
        (LOGIN, b"\x03\x041234\x00"),
        (CHANGE, b"\x02\x041234\x00"),
        (UNBLOCK, b"\x02\x041234\x045678"),
        (LOGIN, b"\x04"),
        (LOGIN, b"\x05\x00"),
        (PAD, b"\x01"),
        (PAD, b"\x02\x041234\x00"),
        (PAD, b"\x03\x041234\x00"),
        (PAD, b"\x05\x00"),
    ],
)
async def test_other_codes_than_those_asked_for_are_refused(request_, frame):
    with pytest.raises(PromptUnavailableError):
        await answering(frame).ask_pin(request_)


@pytest.mark.parametrize("frame", [b"\x02\x041234\x00", b"\x03\x041234\x00", b"\x04", b"\x05\x00"])
async def test_other_answers_are_no_consent(frame):
    assert not await answering(frame).confirm(CONSENT)


async def test_agreement_to_the_pad_brings_no_code():
    answer = await answering(b"\x04").ask_pin(PAD)
    assert (answer.code, answer.new_code, answer.session) == (ON_PAD, None, False)
    with pytest.raises(PromptRefusedError):
        await answering(b"\x00").ask_pin(PAD)


async def test_card_is_chosen_by_its_place():
    assert await answering(b"\x05\x01").choose_card(CHOICE) == CHOICE.cards[1].number
    with pytest.raises(PromptRefusedError):
        await answering(b"\x00").choose_card(CHOICE)
    for frame in (b"\x05\x03", b"\x05\xff", b"\x01", b"\x04", b"\x02\x041234\x00"):
        with pytest.raises(PromptUnavailableError):
            await answering(frame).choose_card(CHOICE)


async def test_question_of_a_thousand_documents_arrives():
    names = tuple("\U0001f600" * 120 for _ in range(1000))
    big = replace(LOGIN, subjects=names, sizes=(1,) * 1000)
    look = "import os, sys; line = sys.stdin.buffer.readline(); os.write(1, b'\\x02\\x041234\\x00' if len(line) > 480_000 else b'')"
    assert digits((await DialogPrompt((sys.executable, "-I", "-c", look)).ask_pin(big)).code) == "1234"


async def test_child_is_told_that_nobody_waits_by_the_end_of_its_input(tmp_path, monkeypatch):
    """A child that no signal reaches: what it has left is the pipe."""
    monkeypatch.setattr("agent.people.dialog_process.TERMINATE_S", 60)
    note = tmp_path / "pid"
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    prompt = child(script + f"open({str(note)!r}, 'w').write(str(os.getpid())); sys.stdin.buffer.read(); os._exit(0)")
    task = asyncio.create_task(prompt.ask_pin(LOGIN))
    pid = int(await wait_for_text(note))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(20):
            await task
    assert not is_alive(pid)


async def test_program_that_does_not_exist():
    with pytest.raises(PromptUnavailableError):
        await DialogPrompt(("/nowhere/agent",)).ask_pin(LOGIN)


async def test_child_that_never_reads():
    prompt = DialogPrompt((sys.executable, "-I", "-c", "import os; os.close(0)"))
    with pytest.raises(PromptUnavailableError):
        await prompt.ask_pin(LOGIN)


async def test_silence_ends_in_refusal_and_takes_the_window_away(tmp_path):
    note = tmp_path / "pid"
    prompt = child(f"open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)", timeout_s=1.0)
    with pytest.raises(PromptTimeoutError):
        await prompt.ask_pin(LOGIN)
    assert not is_alive(int(note.read_text()))


async def test_cancelling_ends_even_a_stubborn_child(tmp_path, monkeypatch):
    monkeypatch.setattr("agent.people.dialog_process.TERMINATE_S", 0.2)
    note = tmp_path / "pid"
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    prompt = child(script + f"open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    task = asyncio.create_task(prompt.ask_pin(LOGIN))
    pid = int(await wait_for_text(note))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(pid)


async def test_no_descriptor_is_left_open():
    before = list_own_descriptors()
    for frame in (b"\x00", b"\x01", b""):
        with pytest.raises((PromptRefusedError, PromptUnavailableError)):
            await answering(frame).ask_pin(LOGIN)
    assert list_own_descriptors() == before


async def test_child_sees_a_clean_environment_and_no_descriptor_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    note = tmp_path / "seen"
    with (tmp_path / "ours").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        look = "[os.path.realpath(f'/proc/self/fd/{n}') for n in range(100)]"
        await child(f"open({str(note)!r}, 'w').write(repr((dict(os.environ), {look}))); os.write(1, b'\\x01')").confirm(
            CONSENT
        )
    assert "SECRET" not in note.read_text()
    assert str(tmp_path / "ours") not in note.read_text()


def test_environment_is_an_allow_list():
    given = {
        "DISPLAY": ":0",
        "XDG_RUNTIME_DIR": "/run/user/1000",
        "LC_ALL": "fr_FR.UTF-8",
        "LD_PRELOAD": "/evil.so",
        "QT_PLUGIN_PATH": "/evil",
        "PYTHONSTARTUP": "/evil.py",
        "LD_LIBRARY_PATH": "/tmp/_MEI",
    }
    kept = {"DISPLAY": ":0", "XDG_RUNTIME_DIR": "/run/user/1000", "LC_ALL": "fr_FR.UTF-8"}
    assert clean_environment(given, WINDOWS) == kept
    original = given | {"LD_LIBRARY_PATH_ORIG": "/opt/lib"}
    assert clean_environment(original, WINDOWS) == kept | {"LD_LIBRARY_PATH": "/opt/lib"}


@pytest.mark.parametrize("read", [read_pipe, read_pipe_in_thread])
@pytest.mark.parametrize(("sent", "room", "count"), [(b"", 4, 0), (b"abc", 4, 3), (b"abcdef", 4, 4)])
async def test_pipe_is_read_into_the_buffer(read, sent, room, count):
    read_fd, write_fd = os.pipe()
    os.write(write_fd, sent)
    os.close(write_fd)
    buffer = bytearray(room)
    assert await read(read_fd, buffer) == count
    assert bytes(buffer[:count]) == sent[:count]
    os.close(read_fd)
    deadline = time.monotonic() + 5
    while any(thread.name == "dialog answer" for thread in threading.enumerate()):
        assert time.monotonic() < deadline


@pytest.mark.parametrize("display", [None, ":9999"])
async def test_no_display_is_said_quickly(monkeypatch, display):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    if display is not None:
        monkeypatch.setenv("DISPLAY", display)
    start = time.monotonic()
    with pytest.raises(PromptUnavailableError):
        await DialogPrompt(REAL).ask_pin(LOGIN)
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("question", [b"", b"{}", b"{}\n", b"x" * 2_000_000])
def test_child_answers_no_bad_question(question):
    done = subprocess.run(REAL, input=question, capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_hardened_process_leaves_no_core():
    script = (
        "import ctypes, resource; from agent.people.hardening import forbid_core_dumps; forbid_core_dumps();"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "(0, 0) 0"
