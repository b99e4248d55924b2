"""Kinds of virtual cards as programs show them: in this process, and in PC/SC readers beside OpenSC."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import NONCE
from support.openssl import verify_token, write_chain
from support.pcscd import private_pcscd, why_unavailable
from support.processes import agent_program, command, program
from support.waiting import wait_until

from agent.client import Client

needs_pcscd = pytest.mark.skipif(
    bool(why_unavailable()) and not os.environ.get("CI"), reason=f"no private pcscd: {why_unavailable()}"
)
FRENCH = {**os.environ, "LC_ALL": "fr_FR.UTF-8"}
ENGLISH = {**os.environ, "LC_ALL": "C.UTF-8"}
SITE = "https://dmp.example"


def run(folder: Path, *words: str, env: dict[str, str] = ENGLISH) -> str:
    done = subprocess.run(
        command(*words, "--data-dir", str(folder)), capture_output=True, text=True, check=True, env=env, timeout=60
    )
    return done.stdout


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("several")
    with agent_program(folder, "--unattended", "--virtual-kind", "cpe-anonymous,vitale"):
        yield folder


def test_a_kind_alone_makes_the_agent_virtual_and_names_are_shown(several: Path) -> None:
    (card,) = json.loads(run(several, "cards", "--json"))
    assert (card["kind"], card["number"], card["holder"]["familyName"]) == ("CPE", "99900013", None)
    english, french = run(several, "cards"), run(several, "cards", env=FRENCH)
    assert "CPE 99900013 CPS3 (test card): no name on this card\n" in english
    assert "  Structure: HOPITAL D'ESSAI, FINESS 990000010 (check digit right)\n" in english
    assert "  National identifier: 3990000010/000000018 (FINESS and register number, check digit right)\n" in english
    assert "  Category: Carte de PS ou de Personnel de Santé de TEST (80)\n" in english
    assert "CPE 99900013 CPS3 (carte de test): carte sans nom\n" in french
    assert "  Structure\N{NO-BREAK SPACE}: HOPITAL D'ESSAI, FINESS 990000010 (clé de contrôle juste)\n" in french


def test_the_status_names_a_foreign_card_in_both_languages(several: Path) -> None:
    assert "CPS virtuel 01 00: card-unknown — A Vitale card is in the reader." in run(several, "status")
    assert "Une carte Vitale est dans le lecteur." in run(several, "status", env=FRENCH)


def test_a_foreign_card_alone_is_named_where_a_card_is_wanted(tmp_path: Path) -> None:
    with agent_program(tmp_path, "--unattended", "--virtual-kind", "bank"):
        assert "probablement une carte bancaire" in run(tmp_path, "cards", env=FRENCH)
        words = ("authenticate", SITE, NONCE, "--json", "--data-dir", str(tmp_path))
        refused = subprocess.run(command(*words), capture_output=True, text=True, check=False, env=FRENCH, timeout=60)
        problem = json.loads(refused.stdout)
        assert (refused.returncode, problem["code"], problem["card"]) == (4, "card-unknown", "bank")
        assert "probablement une carte bancaire" in refused.stderr


@pytest.mark.parametrize("kinds", ["", "cps9", "cps3,cps3", "cps3,", "vitale,cps9"])
def test_kinds_that_are_none_are_refused(kinds: str, tmp_path: Path) -> None:
    words = ("serve", "--virtual-kind", kinds, "--port", "0", "--data-dir", str(tmp_path))
    refused = subprocess.run(command(*words), capture_output=True, text=True, check=False, env=ENGLISH, timeout=60)
    assert refused.returncode == 1
    assert "virtual_kind" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_environment_names_kinds_too(tmp_path: Path) -> None:
    environment = {**ENGLISH, "CPS_AGENT_VIRTUAL": "1", "CPS_AGENT_VIRTUAL_KIND": "vitale, mute"}
    with agent_program(tmp_path, "--unattended", env=environment) as client:
        wait_until(lambda: [state(client, name) for name in by_name(client)] == ["trouble", "trouble"], "both cards")
        assert [reader["trouble"]["code"] for reader in by_name(client).values()] == ["card-unknown", "card-mute"]


@contextlib.contextmanager
def card_in_slot(folder: Path, port: int, kind: str) -> Iterator[None]:
    words = ("--vpcd", f"127.0.0.1:{port}", "--kind", kind, "--data-dir", str(folder))
    with program("virtual-card", *words):
        yield


def by_name(client: Client) -> dict[str, dict[str, Any]]:
    return {reader["name"]: reader for reader in client.status()["readers"]}


def state(client: Client, reader: str) -> str | None:
    return by_name(client).get(reader, {}).get("state")


@needs_pcscd
def test_an_employees_card_in_a_pcsc_reader_beside_opensc_and_foreign_ones(tmp_path: Path) -> None:
    with private_pcscd(slots=2) as pcscd, contextlib.ExitStack() as stack:
        for port, kind in zip(pcscd.vpcd_ports, ("cpe", "vitale"), strict=True):
            stack.enter_context(card_in_slot(tmp_path, port, kind))
        employee, foreign = pcscd.reader_names
        client = stack.enter_context(agent_program(tmp_path, "--unattended", env=pcscd.env))
        wait_until(lambda: state(client, employee) == "ready", "the employee's card")
        wait_until(lambda: state(client, foreign) == "trouble", "the Vitale card")
        (card,) = client.cards()
        assert (card["kind"], card["number"]) == ("CPE", "99900012")
        assert card["holder"]["structure"]["name"] == "HOPITAL D'ESSAI"
        assert card["holder"]["structure"]["id"] == "1990000010"
        assert by_name(client)[foreign]["trouble"]["card"] == "vitale"
        write_chain(tmp_path, client.certificates()[0])
        verify_token(tmp_path, client.authenticate(SITE, NONCE), SITE, NONCE)
        listing = subprocess.run(
            ["pkcs11-tool", "--login", "--pin", "1234", "-O"],
            env=pcscd.env, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert listing.returncode == 0, listing.stderr
        for words in ("CPS_PRIV_AUT", "CPS_PRIV_SIG", "Certificat d'Authentification CPS", "SOIGNANT", "CPS_INFO_PS"):
            assert words in listing.stdout, words


def test_a_mute_card_is_kept_from_vpcd(tmp_path: Path) -> None:
    """It takes a card without an ATR for no card, again and again, and every reader of pcscd with it."""
    words = ("virtual-card", "--vpcd", "--kind", "mute", "--data-dir", str(tmp_path))
    refused = subprocess.run(command(*words), capture_output=True, text=True, check=False, env=ENGLISH, timeout=60)
    assert refused.returncode == 2
    assert "mute" in refused.stderr
