"""The agent, or the program that it signs for, ends at any moment of a signature: the card is closed afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.door import SOCKET_NAME
from support.other_program import look_at_card
from support.p11_client import P11Client
from support.pcscd import PcscdHandle, private_pcscd, why_unavailable
from support.processes import program, virtual_card
from support.waiting import wait_until

from agent.door import cryptoki as ck
from agent.door.listening import is_alive
from agent.door.values import Attribute, Mechanism

MISSING = why_unavailable()
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=str(MISSING))
MOMENTS_S = (0.3, 0.7)
"""After the first signature: in the middle of the second transaction, and of the third with eleven, as seen here."""
CLOSED = "63c3"


@dataclass
class Ending:
    """A desk whose agent may be ended in any way; each call of `begun` has one that signs."""

    folder: Path
    pcscd: PcscdHandle

    @contextlib.contextmanager
    def begun(self) -> Iterator[tuple[int, P11Client]]:
        """The agent's process, and a program for which twelve signatures of each key are on their way."""
        flags = ("--unattended", "--port", "0", "--data-dir", str(self.folder))
        with program("serve", *flags, env=self.pcscd.env) as process:
            wait_until(lambda: is_alive(self.folder / SOCKET_NAME), "the door")
            with P11Client(self.folder / SOCKET_NAME, 2) as client:
                client.initialize()
                wait_until(lambda: client.list_slots(present=True), "the card")
                self._sign(client)
                yield process.pid, client
            process.kill()
            process.wait(20)

    def _sign(self, client: P11Client) -> None:
        (slot,) = client.list_slots(present=True)
        session = client.open_session(slot)
        for key in client.find(session, Attribute(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY)):
            for each in [client.open_session(slot) for _ in range(12)]:
                client.call("SignInit", each, Mechanism(ck.CKM_SHA256_RSA_PKCS), key)
                client.send("Sign", each, b"content", 512)


@pytest.fixture(scope="module")
def desk(made_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ending]:
    folder = Path(shutil.copytree(made_folder, tmp_path_factory.mktemp("ends") / "data"))
    with private_pcscd() as pcscd, virtual_card(folder, pcscd.vpcd_port):
        yield Ending(folder, pcscd)


def end_by(number: signal.Signals) -> Callable[[int, P11Client], None]:
    return lambda pid, _: os.kill(pid, number)


def leave(_: int, client: P11Client) -> None:
    client.close()


ENDS = {number.name: end_by(number) for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1)} | {"leave": leave}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_attack_whoever_ends_during_a_signature_leaves_the_card_closed(
    desk: Ending, end: Callable[[int, P11Client], None]
) -> None:
    for moment_s in MOMENTS_S:
        with desk.begun() as (pid, client):
            client.receive()  # the first one is made: the others follow
            time.sleep(moment_s)
            end(pid, client)
            wait_until(lambda: look_at_card(desk.pcscd) == CLOSED, "a closed card with all its tries")
