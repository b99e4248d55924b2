"""The agent on a real pcscd with a virtual card in a virtual reader, beside OpenSC."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.agent import NONCE
from support.journal import latest_use
from support.openssl import openssl, verify_cms, verify_token, write_chain
from support.other_program import another_program, look_at_card
from support.pcscd import PcscdHandle, private_pcscd, why_unavailable
from support.processes import agent_program, answers, command, program, virtual_card
from support.waiting import wait_until

from agent.client import AgentProblemError, AgentUnreachableError, Client
from drivers.base import Token

pytestmark = pytest.mark.skipif(
    bool(why_unavailable()) and not os.environ.get("CI"), reason=f"no private pcscd: {why_unavailable()}"
)

SITE = "https://dmp.example"
LIMIT_S = 2.0
KEY_ID = "e828bd080f8025000001ff001002"
DIGEST_INFO_SHA256 = bytes.fromhex("3031300D060960864801650304020105000420")


@dataclass
class Desk:
    """A workstation: pcscd, the agent, and a card to insert and pull."""

    pcscd: PcscdHandle
    client: Client
    folder: Path
    stack: ExitStack = field(default_factory=ExitStack)

    def insert(self) -> None:
        self.stack.enter_context(virtual_card(self.folder, self.pcscd.vpcd_port))
        wait_until(lambda: self.states() == ["ready"], "the card")

    def pull(self) -> None:
        self.stack.close()

    def states(self) -> list[str]:
        readers = self.client.status().get("readers", [])
        return [reader["state"] for reader in readers if reader["state"] != "empty"]

    def refusal(self) -> tuple[str, float]:
        """Code of a refused login and how long it took."""
        started = time.monotonic()
        with pytest.raises(AgentProblemError) as raised:
            self.client.authenticate(SITE, NONCE)
        return raised.value.code, time.monotonic() - started

    def works(self) -> bool:
        """Whether a login succeeds now."""
        try:
            self.client.authenticate(SITE, NONCE)
        except (AgentProblemError, AgentUnreachableError):
            return False
        return True

    def pkcs11(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pkcs11-tool", *arguments], env=self.pcscd.env, capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture
def desk(made_folder: Path, tmp_path: Path) -> Iterator[Desk]:
    folder = Path(shutil.copytree(made_folder, tmp_path / "data"))
    with private_pcscd() as pcscd, agent_program(folder, "--unattended", env=pcscd.env) as client:
        running = Desk(pcscd, client, folder)
        with running.stack:
            yield running


def test_the_main_job_and_the_card_is_closed_after_each_use(desk: Desk, tmp_path: Path) -> None:
    desk.insert()
    write_chain(tmp_path, desk.client.certificates()[0])
    verify_token(tmp_path, desk.client.authenticate(SITE, NONCE), SITE, NONCE)
    assert_closed(desk)
    (signed,) = desk.client.sign([("a.txt", b"content")])
    verify_cms(tmp_path, signed.content, b"content")
    assert_closed(desk)
    desk.client.pin("verify")
    assert_closed(desk)
    uses = {entry["action"]: entry["exchanges"] for entry in desk.client.journal()}
    assert uses["read-card"] <= 48
    assert uses["authenticate"] == uses["sign"] == 8


def assert_closed(desk: Desk) -> None:
    """A second program that gives no code is refused a signature."""
    assert re.fullmatch(r"63c\d", look_at_card(desk.pcscd))


def test_opensc_goes_on_working_beside_the_agent(desk: Desk, tmp_path: Path) -> None:
    desk.insert()
    data = DIGEST_INFO_SHA256 + hashlib.sha256(b"content").digest()
    (tmp_path / "info").write_bytes(data)
    (tmp_path / "content").write_bytes(b"content")
    write_chain(tmp_path, desk.client.certificates()[0])
    for _ in range(2):
        signed = desk.pkcs11(
            "--login", "--pin", "1234", "--sign", "-m", "RSA-PKCS", "--id", KEY_ID,
            "-i", str(tmp_path / "info"), "-o", str(tmp_path / "sig"),
        )  # fmt: skip
        assert signed.returncode == 0, signed.stderr
        token = desk.client.authenticate(SITE, NONCE)
        verify_token(tmp_path, token, SITE, NONCE)
        shutil.copy(tmp_path / "auth.pub", tmp_path / "key.pub")
        (tmp_path / "info").write_bytes(data)
        signed_again = desk.pkcs11(
            "--login", "--pin", "1234", "--sign", "-m", "RSA-PKCS", "--id", KEY_ID,
            "-i", str(tmp_path / "info"), "-o", str(tmp_path / "sig"),
        )  # fmt: skip
        assert signed_again.returncode == 0, signed_again.stderr
        openssl(tmp_path, "dgst", "-sha256", "-verify", "key.pub", "-signature", "sig", "content")


def test_a_pulled_card_is_named_and_works_again_when_it_is_back(desk: Desk) -> None:
    assert desk.refusal()[0] == "card-absent"
    desk.insert()
    desk.client.authenticate(SITE, NONCE)
    desk.pull()
    code, took = desk.refusal()
    assert code in ("card-removed", "card-absent")
    assert took < LIMIT_S
    wait_until(lambda: desk.refusal()[0] == "card-absent", "the removal")
    desk.insert()
    desk.client.authenticate(SITE, NONCE)
    assert latest_use(desk.client)["exchanges"] == 8


def test_a_stopped_service_is_named_and_a_started_one_is_found(desk: Desk) -> None:
    desk.insert()
    desk.pcscd.stop()
    code, took = desk.refusal()
    assert code == "service-stopped"
    assert took < LIMIT_S
    assert desk.client.status()["name"] == "cps-agent"
    desk.pcscd.start()
    wait_until(lambda: desk.client.status().get("service") == "running", "the service")
    wait_until(lambda: desk.states() == ["ready"], "the card, which its program puts back")
    desk.client.authenticate(SITE, NONCE)


def test_a_blocked_card_is_named(desk: Desk) -> None:
    desk.insert()
    for tries in (2, 1):
        wrong = desk.pkcs11("--login", "--pin", "9999", "-O")
        assert wrong.returncode != 0
        (card,) = desk.client.cards()
        assert card["pin"]["triesLeft"] == tries
    desk.pkcs11("--login", "--pin", "9999", "-O")
    code, took = desk.refusal()
    assert code == "pin-blocked"
    assert took < LIMIT_S
    answer = desk.client.pin("unblock")
    assert answer["pin"] == {"state": "ready", "triesLeft": 3}
    desk.client.authenticate(SITE, NONCE)


def test_a_reader_that_another_program_keeps_is_named(desk: Desk) -> None:
    desk.insert()
    with another_program(desk.pcscd, "exclusive"):
        code, took = desk.refusal()
        assert code == "reader-exclusive"
        assert took < LIMIT_S
    wait_until(desk.works, "the reader, which pcscd takes back when it sees that the program ended")


def test_a_card_in_another_programs_transaction_is_busy_and_then_works(desk: Desk) -> None:
    desk.insert()
    with another_program(desk.pcscd, "transaction"):
        code, took = desk.refusal()
        assert code == "card-busy"
        assert took < 2 * Token.look_timeout_s
        assert desk.client.status()["name"] == "cps-agent"
    wait_until(desk.works, "the card, which the other program has let go")
    assert_closed(desk)


def test_a_reader_that_is_gone_is_named_and_works_again_when_it_is_back(desk: Desk) -> None:
    desk.insert()
    configuration = desk.pcscd.folder / "conf" / "vpcd"
    content = configuration.read_text()
    desk.pcscd.stop()
    configuration.write_text("")
    desk.pcscd.start()
    wait_until(lambda: desk.client.status().get("service") == "running", "the service")
    code, took = desk.refusal()
    assert code == "reader-absent"
    assert took < LIMIT_S
    desk.pcscd.stop()
    configuration.write_text(content)
    desk.pcscd.start()
    wait_until(lambda: desk.states() == ["ready"], "the card, which its program puts back")
    desk.client.authenticate(SITE, NONCE)


def test_an_agent_killed_while_it_signs_leaves_the_card_closed(made_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made_folder, tmp_path / "data"))
    slow = ("--data-dir", str(folder), "--delay", "100", "--trace")
    serve = command("serve", "--unattended", "--port", "0", "--data-dir", str(folder))
    with private_pcscd() as pcscd, program("virtual-card", "--vpcd", f"127.0.0.1:{pcscd.vpcd_port}", *slow) as card:
        with subprocess.Popen(serve, env=pcscd.env, stdout=subprocess.DEVNULL) as daemon:
            wait_until(lambda: answers(folder), "the agent")
            with Client.of(folder) as client:
                desk = Desk(pcscd, client, folder)
                wait_until(lambda: desk.states() == ["ready"], "the card")
                signing = threading.Thread(target=desk.works)
                signing.start()
                assert card.stdout
                next(line for line in card.stdout if line.startswith("> 00 20 00 01 04"))
                next(line for line in card.stdout if line.startswith("> 00 22 41"))
                daemon.kill()
                signing.join()
            next(line for line in card.stdout if line.startswith("# reset"))
        assert_closed(Desk(pcscd, client, folder))
