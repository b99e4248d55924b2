"""The agent with OpenSC as its way to the card: a real pcscd, the virtual card, one of its two keys."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.agent import NONCE
from support.journal import latest_use
from support.openssl import verify_cms, verify_token, write_chain
from support.other_program import another_program
from support.pcscd import PcscdHandle, private_pcscd, why_unavailable
from support.processes import agent_program
from support.waiting import wait_until

from agent.client import AgentProblemError, Client
from drivers.pkcs11.locations import find_modules
from drivers.virtual.card_os import VirtualCard
from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.store import open_card
from drivers.virtual.trace import TracedCard
from drivers.virtual.vpcd import serve

pytestmark = pytest.mark.skipif(
    bool(why_unavailable()) and not os.environ.get("CI"), reason=f"no private pcscd: {why_unavailable()}"
)

SITE = "https://dmp.example"
SELECT_MASTER_FILE, STATUS = bytes.fromhex("00A4090C023F00"), bytes.fromhex("0020000100")
VERIFY = "> 00 20 00 01 04"
CLOSED = bytes.fromhex("63C3")


@pytest.fixture(scope="module")
def pcscd() -> Iterator[PcscdHandle]:
    with private_pcscd() as handle:
        yield handle


@pytest.fixture(scope="module")
def opensc() -> Path:
    found = [module for module in find_modules() if "opensc" in module.name]
    if not found:
        pytest.skip("not installed: opensc-pkcs11")
    return found[0]


@dataclass
class Desk:
    """The agent as a program, and the card that it reaches through OpenSC."""

    pcscd: PcscdHandle
    client: Client
    folder: Path
    trace: list[str] = field(default_factory=list)
    card: VirtualCard | None = None

    @contextmanager
    def inserted(self) -> Iterator[None]:
        """The card in its reader, and read, until the block ends."""
        stop = threading.Event()
        with open_card(self.folder) as self.card:
            traced = TracedCard(self.card, self.trace.append)
            plug = threading.Thread(target=serve, args=(traced, "127.0.0.1", self.pcscd.vpcd_port, stop))
            plug.start()
            wait_until(lambda: self.states() == ["ready"], "the card")
            try:
                yield
            finally:
                stop.set()
                plug.join()

    def states(self) -> list[str]:
        return [each["state"] for each in self.client.status().get("readers", []) if each["state"] != "empty"]

    def login(self) -> dict[str, str]:
        return self.client.authenticate(SITE, NONCE)

    def refusal(self) -> tuple[str, float]:
        """Code of a refused login and how long it took."""
        started = time.monotonic()
        with pytest.raises(AgentProblemError) as raised:
            self.login()
        return raised.value.code, time.monotonic() - started

    def works(self) -> bool:
        try:
            self.login()
        except AgentProblemError:
            return False
        return True

    def codes_sent(self) -> int:
        """How many codes the card was given so far."""
        return sum(line.startswith(VERIFY) for line in self.trace)

    def require_closed(self) -> None:
        """The card itself says that no code stands verified, and that no try is lost."""
        assert self.card
        self.card.process(SELECT_MASTER_FILE)
        assert self.card.process(STATUS) == CLOSED


@pytest.fixture
def desk(pcscd: PcscdHandle, opensc: Path, made_folder: Path, tmp_path: Path) -> Iterator[Desk]:
    folder = Path(shutil.copytree(made_folder, tmp_path / "data"))
    with agent_program(folder, "--unattended", "--card-access", "modules", env=pcscd.env) as client:
        yield Desk(pcscd, client, folder)


def test_the_authentication_key_works_and_the_card_is_closed_after_each_use(desk: Desk, tmp_path: Path) -> None:
    with desk.inserted():
        (card,) = desk.client.cards()
        assert (card["number"], card["generation"]) == (DEFAULT.serial, "CPS3")
        desk.require_closed()
        write_chain(tmp_path, desk.client.certificates()[0])
        for _ in range(2):
            verify_token(tmp_path, desk.login(), SITE, NONCE)
            desk.require_closed()
        desk.client.pin("verify")
        desk.require_closed()
        desk.client.pin("change")
        desk.require_closed()


def test_situations_are_read_with_one_code_and_the_card_is_closed(desk: Desk) -> None:
    with desk.inserted():
        found = desk.client.situations(DEFAULT.serial)
        assert [(each["number"], each["sector"]["code"]) for each in found] == [(1, "SA07"), (3, "SA05")]
        desk.require_closed()
        assert desk.client.situations(DEFAULT.serial) == found
        assert desk.codes_sent() == 1


def test_the_signature_key_is_out_of_reach_which_is_told_and_no_second_code_asked(desk: Desk) -> None:
    with desk.inserted():
        for sent in (1, 1):
            with pytest.raises(AgentProblemError) as raised:
                desk.client.sign([("a.txt", b"content")])
            problem = raised.value.problem
            assert (problem["code"], problem["layer"]) == ("not-supported", "middleware")
            assert "OpenSC cannot with a CPS's signature key" in problem["detail"]
            assert "cas d'OpenSC et de la clé de signature d'une CPS" in problem["detailFr"]
            assert desk.codes_sent() == sent
            desk.require_closed()
        entry = latest_use(desk.client)
        assert (entry["action"], entry["outcome"]) == ("sign", "not-supported")
        desk.login()


def test_a_pulled_card_is_named_and_works_again_when_it_is_back(desk: Desk) -> None:
    with desk.inserted():
        desk.login()
    code, took = desk.refusal()
    assert code in ("card-removed", "card-absent")
    assert took < 5
    wait_until(lambda: desk.refusal()[0] == "card-absent", "the removal")
    with desk.inserted():
        desk.login()
        desk.require_closed()


def test_a_card_in_another_programs_transaction_is_busy_and_then_works(desk: Desk) -> None:
    with desk.inserted():
        desk.login()
        with another_program(desk.pcscd, "transaction"):
            sent = desk.codes_sent()
            code, took = desk.refusal()
            assert code == "card-busy"
            assert took < LIMIT_S
            assert desk.codes_sent() == sent
        wait_until(desk.works, "the card, which the other program has let go")
        desk.require_closed()


LIMIT_S = 10.0


def test_the_direct_way_is_preferred_and_the_card_is_there_once(
    pcscd: PcscdHandle, opensc: Path, made_folder: Path, tmp_path: Path
) -> None:
    """A module that is named as well shows the same card in the same reader."""
    folder = Path(shutil.copytree(made_folder, tmp_path / "data"))
    with agent_program(folder, "--unattended", "--module", str(opensc), env=pcscd.env) as client:
        desk = Desk(pcscd, client, folder)
        with desk.inserted():
            (card,) = client.cards()
            assert card["number"] == DEFAULT.serial
            write_chain(tmp_path, client.certificates()[0])
            (signed,) = client.sign([("a.txt", b"content")])
            verify_cms(tmp_path, signed.content, b"content")
            assert latest_use(client)["exchanges"] == 8
