"""The whole agent before cards of a served PKI: each state is told, a revoked one signs nothing, nothing ever waits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.agent import NONCE, Person, RunningAgent, running_agent
from support.certomancer import Pki, served_pki
from support.openssl import verify_cms, write_pem
from support.processes import command
from support.soft_tokens import SoftReaders, SoftToken
from support.waiting import wait_until

from agent.api import readings
from agent.certificates.anchors import Anchors, igc_sante
from agent.certificates.revocation import watch
from agent.client import AgentProblemError
from agent.people.prompt import PinRequest
from drivers.virtual.pki import dump_key

STATES = {
    "good": ("valid", None, "good", "ocsp"),
    "good-list": ("valid", None, "good", "crl"),
    "revoked": ("revoked", "key-compromise", "revoked", "ocsp"),
    "revoked-list": ("revoked", "key-compromise", "revoked", "crl"),
    "expired": ("expired", None, "good", "ocsp"),
    "unknown-issuer": ("unknown", "issuer-unknown", "unknown", None),
    "stale-list": ("unknown", "stale", "unknown", None),
    "stray": ("unknown", "responder-wrong", "unknown", None),
    "plain": ("unknown", "responder-wrong", "unknown", None),
    "moody": ("unknown", "offline", "unknown", None),
    "moody-list": ("unknown", "too-large", "unknown", None),
    "silent": ("unknown", "not-published", "unknown", None),
    "elsewhere": ("unknown", "host-not-allowed", "unknown", None),
    "directory": ("unknown", "not-published", "unknown", None),
}
MOODS = {
    "crls/second/latest.crl": "as /igc/crls/second/archive-0.crl",
    "ocsp/moody": "failing",
    "crls/moody/latest.crl": "huge",
}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between a card and the look at its certificates."""
    monkeypatch.setattr(watch, "SETTLE_S", 0.0)


def readers(pki: Pki, *labels: str) -> SoftReaders:
    tokens = [SoftToken(number(label), pki.der(label), pki.key) for label in labels]
    return SoftReaders({token.number: token for token in tokens})


def number(label: str) -> str:
    return label.replace("-", "")


@asynccontextmanager
async def agent_at(
    pki: Pki, folder: Path, *labels: str, person: Person | None = None, **settings: Any
) -> AsyncIterator[RunningAgent]:
    terms = {"test_authorities": pki.authorities, "revocation_hosts": (pki.host,), **settings}
    held = terms.pop("held", None) or readers(pki, *labels)
    async with running_agent(folder, person or Person(), held, **terms) as agent:
        yield agent


def next_state(agent: RunningAgent, change: Callable[[], object]) -> dict[str, Any]:
    """What the stream tells of a certificate after a change."""
    with agent.client.events() as events:
        change()
        return next(event for event in events if event["type"] == "certificate-state")


def checks_running() -> int:
    """Children of this process that check a certificate."""
    count = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            count += parent == os.getpid() and b"_revocation" in (stat.parent / "cmdline").read_bytes()
    return count


async def found(agent: RunningAgent, label: str) -> dict[str, Any]:
    certificates = await agent.ask(lambda client: client.certificates())
    return next(each for each in certificates if each["cardNumber"] == number(label))


async def settled(agent: RunningAgent, *labels: str, reason: str | None = "not-checked") -> dict[str, dict[str, Any]]:
    """The certificates once each was looked at; a check that hangs never ends."""
    async with asyncio.timeout(30):
        while True:
            certificates = await agent.ask(lambda client: client.certificates())
            by_card = {each["cardNumber"]: each for each in certificates}
            seen = {label: by_card[number(label)] for label in labels if number(label) in by_card}
            if len(seen) == len(labels) and all(each["revocation"].get("reason") != reason for each in seen.values()):
                return seen
            await asyncio.sleep(0.05)


async def test_every_fate_has_its_state(pki: Pki, tmp_path: Path) -> None:
    for path, mood in MOODS.items():
        pki._set_mood(path, mood)
    try:
        async with agent_at(pki, tmp_path / "data", *STATES) as agent:
            certificates = await settled(agent, *STATES)
            status = await agent.ask(lambda client: client.status())
    finally:
        for path in MOODS:
            pki._set_mood(path, "")
    told = {
        label: (each["state"], each["stateReason"], each["revocation"]["status"], each["revocation"]["source"])
        for label, each in certificates.items()
    }
    assert told == STATES
    assert certificates["revoked"]["stateSince"] == certificates["revoked"]["revocation"]["revokedAt"]
    assert certificates["good"]["stateSince"] == certificates["good"]["revocation"]["producedAt"]
    conditions = {reader["name"]: reader["condition"] for reader in status["readers"]}
    troubled = {"expired", "revoked", "revoked-list"}
    assert {conditions[number(label)] for label in STATES if label not in troubled} == {"card-ready"}  # no alarm of it
    assert {conditions[number(label)] for label in ("revoked", "revoked-list")} == {"revoked"}
    assert {reader["name"] for reader in status["readers"] if reader["revoked"]} == {"revoked", "revokedlist"}


async def test_nothing_known_refuses_nothing(pki: Pki, tmp_path: Path) -> None:
    with pki.mood("ocsp/moody", "failing"):
        async with agent_at(pki, tmp_path / "data", "moody") as agent:
            await settled(agent, "moody")
            (signed,) = await agent.ask(lambda client: client.sign([("a.txt", b"content")]))
    write_pem(tmp_path / "root.pem", pki.der("root"))
    write_pem(tmp_path / "issuing.pem", pki.der("issuing"))
    verify_cms(tmp_path, signed.content, b"content")


async def test_a_revoked_certificate_signs_nothing_and_no_code_is_asked(pki: Pki, tmp_path: Path) -> None:
    person, held = Person(), readers(pki)
    token = SoftToken("revoked", pki.der("revoked"), pki.key)
    async with agent_at(pki, tmp_path / "data", person=person, held=held) as agent:
        told = await asyncio.to_thread(next_state, agent, lambda: held.put(token))
        assert (told["cardNumber"], told["code"], told["reader"]) == ("revoked", "revoked", "revoked")
        for call in (
            lambda client: client.sign([("a.txt", b"content")]),
            lambda client: client.sign_raw([("a", bytes(32))]),
            lambda client: client.authenticate("https://site.example", NONCE),
        ):
            with pytest.raises(AgentProblemError) as refused:
                await agent.ask(call)
            assert (refused.value.status, refused.value.code) == (422, "certificate-revoked")
            assert refused.value.problem["layer"] == "certificate"
        journal = await agent.ask(lambda client: client.journal())
    assert not any(isinstance(asked, PinRequest) for asked in person.asked)
    noted = [entry for entry in journal if entry["action"] == "certificate-state"]
    assert [(entry["outcome"], entry["cardNumber"]) for entry in noted] == [("revoked", "revoked")]
    assert [entry["outcome"] for entry in journal if entry["action"] == "sign"] == ["certificate-revoked"]


async def test_a_signature_does_not_wait_for_a_responder_that_hangs(pki: Pki, tmp_path: Path) -> None:
    async def sign(agent: RunningAgent) -> float:
        began = time.monotonic()
        await agent.ask(lambda client: client.sign([("a.txt", b"content")]))
        return time.monotonic() - began

    async with agent_at(pki, tmp_path / "off", "moody", revocation=False) as agent:
        await sign(agent)  # loads what signs
        alone = min([await sign(agent) for _ in range(3)])
    with pki.mood("ocsp/moody", "hang"):
        async with agent_at(pki, tmp_path / "on", "moody") as agent:
            await asyncio.to_thread(wait_until, checks_running, "the child")
            await sign(agent)
            meanwhile = min([await sign(agent) for _ in range(3)])
            assert checks_running() == 1  # it still hangs
            assert (await found(agent, "moody"))["stateReason"] == "not-checked"
    assert meanwhile < alone + 0.5
    assert checks_running() == 0


async def test_known_again_at_once_and_without_any_network(pki: Pki, tmp_path: Path) -> None:
    labels = ("good", "good-list", "revoked")
    keys, folder = tmp_path / "pki", tmp_path / "data"
    shutil.copytree(pki.folder, keys)
    with served_pki(keys) as own:
        async with agent_at(own, folder, *labels) as agent:
            before = await settled(agent, *labels)
        terms = own
    async with agent_at(terms, folder, *labels) as agent:  # nobody answers there any more
        after = await settled(agent, *labels)
        assert {each["state"] for each in after.values()} == {"valid", "revoked"}
        assert {label: each["revocation"] for label, each in after.items()} == {
            label: each["revocation"] for label, each in before.items()
        }
        with pytest.raises(AgentProblemError) as refused:
            await agent.ask(lambda client: client.sign([("a.txt", b"content")], card_number="revoked"))
        assert refused.value.code == "certificate-revoked"
        await agent.ask(lambda client: client.sign([("a.txt", b"content")], card_number="good"))


async def test_the_command_line_says_it_in_words(pki: Pki, tmp_path: Path) -> None:
    async with agent_at(pki, tmp_path / "data", "good", "revoked", "unknown-issuer") as agent:
        await settled(agent, "good", "revoked", "unknown-issuer")
        said = {}
        for language in ("fr", "en"):
            words = ["certificates", "--data-dir", str(agent.folder)]
            env = {**os.environ, "LC_ALL": f"{language}_FR.UTF-8", "PYTHONUTF8": "1"}
            said[language] = await asyncio.to_thread(subprocess.check_output, command(*words), env=env, text=True)
    assert "révoqué le 02/01/2025 (sa clé a été exposée)" in said["fr"]
    assert "(révoqué)" in said["fr"]
    assert "aucune, selon son autorité le" in said["fr"]
    assert "aucune autorité connue ici ne l\N{RIGHT SINGLE QUOTATION MARK}a émis" in said["fr"]
    assert "no authority known here issued it" in said["en"]


async def test_a_damaged_authority_is_said(pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = igc_sante()
    monkeypatch.setattr(readings, "igc_sante", lambda: Anchors(whole.authorities[1:], ("acr-fort.pem",)))
    async with agent_at(pki, tmp_path / "data", "good") as agent:
        status = await agent.ask(lambda client: client.status())
        assert status["refusedAuthorities"] == ["acr-fort.pem"]
        said = await asyncio.to_thread(
            subprocess.check_output, command("status", "--data-dir", str(agent.folder)), text=True
        )
    assert "acr-fort.pem" in said


@pytest.mark.parametrize(("label", "state"), [("good", "valid"), ("revoked", "revoked")])
async def test_a_software_certificate_with_the_authority_of_its_file(
    pki: Pki, tmp_path: Path, label: str, state: str
) -> None:
    person = Person(passphrases=["tilleul et noyer"])
    names = [f"{label}.pem", "issuing.pem"]
    file = dump_key(pki.key) + b"".join((pki.folder / name).read_bytes() for name in names)
    terms = {"test_authorities": (pki.root,), "software_keys": "passphrase", "person": person}
    async with agent_at(pki, tmp_path / "data", **terms) as agent:
        (added,) = await agent.ask(lambda client: client.import_certificate("cabinet.pem", file))
        person.asked.clear()
        card = added["cardNumber"]
        told = (await settled(agent, card))[card]
        assert (told["state"], len(told["chain"])) == (state, 2)
        sign = agent.ask(lambda client: client.sign([("a.txt", b"content")], card_number=card))
        if state == "valid":
            (signed,) = await sign
            write_pem(tmp_path / "root.pem", pki.der("root"))
            verify_cms(tmp_path, signed.content, b"content")
        else:
            with pytest.raises(AgentProblemError) as refused:
                await sign
            assert refused.value.code == "certificate-revoked"
            assert not any(isinstance(asked, PinRequest) for asked in person.asked)


async def test_switched_off_nobody_is_asked(pki: Pki, tmp_path: Path) -> None:
    async with agent_at(pki, tmp_path / "data", "revoked", "unknown-issuer", revocation=False) as agent:
        certificates = await settled(agent, "revoked", "unknown-issuer")
        assert certificates["revoked"]["state"] == "valid"
        assert certificates["revoked"]["stateReason"] == "off"
        assert certificates["unknown-issuer"]["state"] == "unknown"
    assert not list((tmp_path / "data" / "revocation").glob("*.answer"))


async def test_test_authorities_count_only_when_named(pki: Pki, tmp_path: Path) -> None:
    async with agent_at(pki, tmp_path / "data", "good", test_authorities=()) as agent:
        told = (await settled(agent, "good"))["good"]
    assert (told["state"], told["stateReason"], told["chain"]) == ("unknown", "issuer-unknown", None)


async def test_attack_a_certificate_alone_makes_the_agent_ask_nobody(pki: Pki, tmp_path: Path) -> None:
    async with agent_at(pki, tmp_path / "data", "unknown-issuer", "elsewhere", revocation_hosts=(pki.host,)) as agent:
        await settled(agent, "unknown-issuer", "elsewhere")
    assert not list((tmp_path / "data" / "revocation").glob("*.answer"))
