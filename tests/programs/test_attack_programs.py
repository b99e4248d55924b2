"""Attacks at the door with real programs: another user, a dialog left open, a refusal, and a card left open."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
from support.agent import DeskPresence, Person, running_agent
from support.door import SOCKET_NAME, Door, door_env, embedded_door, is_ready, why_no_programs
from support.other_program import look_at_card
from support.pcscd import private_pcscd, why_unavailable
from support.processes import answers, command, program
from support.waiting import wait_until
from support.windows import Workstation, workstation

from agent.client import Client
from drivers.base import KeyRole

MISSING = why_no_programs("pkcs11-tool", "p11tool", "Xvfb", "xwininfo", "xdotool") or why_unavailable()
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=str(MISSING))
NOBODY = 65534
VERIFY = "> 00 20 00 01 04"
SIGNER = Path(__file__).with_name("python_signer.py")
SOMEBODY_ELSE = """
import socket, sys
line = socket.socket(socket.AF_UNIX)
line.settimeout(10)
line.connect(sys.argv[1])
try:
    line.sendall(bytes(1))
    print(repr(line.recv(1)))
except ConnectionError:
    print(repr(b""))
"""


def sign(door: Door, key_id: str) -> tuple[str, ...]:
    """A program that signs what the file `given` holds."""
    (door.folder / "given").write_bytes(b"given")
    words = ("--sign", "--id", key_id, "-m", "SHA256-RSA-PKCS", "-i", "given", "-o", "signature")
    return ("pkcs11-tool", "--module", door.module, *words)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_program_of_another_user_is_refused(made_folder: Path) -> None:
    """Even where the folder and the socket let it in."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        shutil.copytree(made_folder, folder / "data")
        with embedded_door(folder / "data", folder, "--virtual") as door:
            listing = ("pkcs11-tool", "--module", door.module, "-L")
            assert "CPS" in door.programs.run(*listing)
            for path in (folder, folder / "data", folder / "data" / SOCKET_NAME):
                path.chmod(0o777)
            become = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
            knock = (*become, "/usr/bin/python3", "-c", SOMEBODY_ELSE, str(folder / "data" / SOCKET_NAME))
            assert door.programs.run(*knock) == "b''\n"
            assert "serial num" not in door.programs.ask(*become, *listing).all
            assert [use["outcome"] for use in door.uses() if use["outcome"] == "peer-refused"]


def test_the_card_is_closed_right_after_each_use(card: Door) -> None:
    assert card.pcscd
    for role in KeyRole:
        for _ in range(2):
            card.programs.run(*sign(card, card.certificate(role)["keyId"]))
            assert look_at_card(card.pcscd) == "63c3"


@pytest.mark.parametrize("who", ["program", "agent"])
def test_whoever_is_killed_while_the_card_signs_leaves_it_closed(made_folder: Path, tmp_path: Path, who: str) -> None:
    data_dir = Path(shutil.copytree(made_folder, tmp_path / "data"))
    slow = ("--data-dir", str(data_dir), "--delay", "50", "--trace")
    serve = command("serve", "--unattended", "--port", "0", "--data-dir", str(data_dir))
    with ExitStack() as stack:
        pcscd = stack.enter_context(private_pcscd())
        card = stack.enter_context(program("virtual-card", "--vpcd", f"127.0.0.1:{pcscd.vpcd_port}", *slow))
        agent = stack.enter_context(subprocess.Popen(serve, env=pcscd.env, stdout=subprocess.DEVNULL))
        stack.callback(agent.kill)
        wait_until(lambda: answers(data_dir), "the agent")
        client = stack.enter_context(Client.of(data_dir))
        wait_until(lambda: is_ready(client), "the card")
        door = Door(client, data_dir, tmp_path, door_env(data_dir), pcscd)
        words = sign(door, door.certificate(KeyRole.AUTHENTICATION)["keyId"])
        signing = stack.enter_context(subprocess.Popen(words, cwd=tmp_path, env=door.env, stderr=subprocess.DEVNULL))
        stack.callback(signing.kill)
        assert card.stdout
        next(line for line in card.stdout if line.startswith(VERIFY))
        {"program": signing, "agent": agent}[who].kill()
        next(line for line in card.stdout if line.startswith("# reset"))
        assert look_at_card(pcscd) == "63c3"


@pytest.fixture
def desk(made_folder: Path, tmp_path: Path) -> Iterator[tuple[Workstation, Door]]:
    """The agent with its real windows."""
    with workstation(made_folder, tmp_path / "data") as station:
        env = door_env(station.folder)
        yield station, Door(station.client, station.folder, tmp_path, env, station.pcscd)


async def test_a_person_who_refuses_ends_it_and_the_card_stays_closed(desk: tuple[Workstation, Door]) -> None:
    station, door = desk
    words = sign(door, door.certificate(KeyRole.SIGNATURE)["keyId"])
    asked = asyncio.create_task(asyncio.to_thread(door.programs.ask, *words))
    window = await asyncio.to_thread(station.screen.find_window, "^CPS ")
    await asyncio.to_thread(station.screen.focus, window)
    await asyncio.to_thread(station.screen.press, "Escape")
    done = await asked
    assert done.code != 0
    assert "(0x200)" in done.all  # CKR_FUNCTION_REJECTED (PKCS #11 v2.40), which pkcs11-tool has no name for
    assert not (door.folder / "signature").exists() or not (door.folder / "signature").read_bytes()
    assert station.card_state() == "63c3"


@asynccontextmanager
async def door_of(person: Person, made_folder: Path, folder: Path) -> AsyncIterator[Door]:
    data_dir = Path(shutil.copytree(made_folder, folder / "data"))
    async with running_agent(data_dir, person, presence=DeskPresence(), virtual=True) as agent:
        yield Door(agent.client, data_dir, folder, door_env(data_dir))


async def test_a_dialog_left_open_for_one_program_delays_no_other(made_folder: Path, tmp_path: Path) -> None:
    """Others list, and sign with the code that they were trusted with; the program that waits lists meanwhile too."""
    person = Person(session=True)
    async with door_of(person, made_folder, tmp_path) as door:
        key_ids = {role: (await asyncio.to_thread(door.certificate, role))["keyId"] for role in KeyRole}
        trusted = (sys.executable, str(SIGNER), door.module, key_ids[KeyRole.AUTHENTICATION])
        await asyncio.to_thread(door.programs.run, *trusted, "1", "trusted", content=b"x")
        asked, answered = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            asked.set()
            await answered.wait()

        person.on_ask, person.session = wait, False
        hung = asyncio.create_task(asyncio.to_thread(door.programs.run, *sign(door, key_ids[KeyRole.SIGNATURE])))
        await asyncio.wait_for(asked.wait(), 20)
        p11tool = ("p11tool", "--provider", door.module, "--batch", "--list-all")
        listing = await asyncio.to_thread(door.programs.run, *p11tool)
        assert "X.509 Certificate" in listing
        await asyncio.to_thread(door.programs.run, "pkcs11-tool", "--module", door.module, "-O")
        await asyncio.to_thread(door.programs.run, *trusted, "5", "meanwhile", content=b"x")
        assert not hung.done()
        answered.set()
        await hung


async def test_a_program_that_ends_takes_its_question_back(made_folder: Path, tmp_path: Path) -> None:
    person = Person()
    taken_back = asyncio.Event()
    asked = asyncio.Event()

    async def wait() -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            taken_back.set()
            raise

    person.on_ask = wait
    async with door_of(person, made_folder, tmp_path) as door:
        key_id = (await asyncio.to_thread(door.certificate, KeyRole.SIGNATURE))["keyId"]
        process = await asyncio.create_subprocess_exec(*sign(door, key_id), cwd=door.folder, env=door.env)
        try:
            await asyncio.wait_for(asked.wait(), 20)
        finally:
            process.kill()
            await process.wait()
        await asyncio.wait_for(taken_back.wait(), 20)


def test_a_contactless_card_lists_nothing_that_cannot_sign(made_folder: Path, tmp_path: Path) -> None:
    data_dir = Path(shutil.copytree(made_folder, tmp_path / "data"))
    with embedded_door(data_dir, tmp_path, "--virtual-kind", "cps3-contactless") as door:
        tool = ("pkcs11-tool", "--module", door.module)
        assert "Private Key Object" not in door.programs.run(*tool, "-O")
        assert "sign" not in door.programs.ask(*tool, "-M").all
