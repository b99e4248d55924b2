"""The whole agent with PKCS#11 modules: SoftHSM2 as it is, and behind a module that fails where it is told to."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.agent import NONCE, Person, RunningAgent, running_agent
from support.faulty import FaultyModule, compile_faulty
from support.journal import latest_use
from support.lines import until
from support.openssl import openssl, verify_cms, verify_token, write_chain, write_pem
from support.processes import agent_program
from support.softhsm import SoftHsm, softhsm_token, why_unavailable

from agent import daemon
from agent.client import AgentProblemError, Client
from agent.people.prompt import PinRequest
from drivers.pkcs11.workers import ModuleWorkers
from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.store import open_card

pytestmark = pytest.mark.skipif(
    bool(why_unavailable()) and not os.environ.get("CI"), reason=f"no SoftHSM2: {why_unavailable()}"
)

SITE = "https://dmp.example"
TIMEOUT_S = 2.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SoftHsm]:
    """A data folder, and a token with the keys of its test card."""
    folder = tmp_path_factory.mktemp("made")
    return folder / "data", softhsm_token(folder / "token", folder / "data")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_faulty(tmp_path_factory.mktemp("faulty"))


@pytest.fixture
def folder(made: tuple[Path, SoftHsm], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "data"))


@pytest.fixture
def softhsm(made: tuple[Path, SoftHsm], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    """A token of the test's own, which modules in workers of this process's agents find."""
    token = made[1].copy(tmp_path / "token")
    monkeypatch.setenv("SOFTHSM2_CONF", str(token.configuration))
    return token


@pytest.fixture
def faulty(compiled: Path, softhsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyModule:
    monkeypatch.setattr(daemon, "ModuleWorkers", functools.partial(ModuleWorkers, use_timeout_s=TIMEOUT_S))
    return FaultyModule(compiled, tmp_path / "module", softhsm)


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.fixture
def no_card() -> VirtualReaders:
    """The workstation's readers, all empty."""
    return VirtualReaders([None])


@pytest.fixture
def card_beside(folder: Path) -> Iterator[VirtualReaders]:
    """A reader with the card that has the same keys."""
    with open_card(folder) as card:
        yield VirtualReaders([card])


@pytest.fixture
async def agent(folder: Path, softhsm: SoftHsm, person: Person, no_card: VirtualReaders) -> AsyncIterator[RunningAgent]:
    async with running_agent(folder, person, no_card, modules=(softhsm.module,)) as running:
        yield running


@pytest.fixture
async def failing(
    folder: Path, faulty: FaultyModule, person: Person, no_card: VirtualReaders
) -> AsyncIterator[RunningAgent]:
    """An agent whose module fails where `faulty` says so."""
    async with running_agent(folder, person, no_card, modules=(faulty.library,)) as running:
        yield running


def pins(person: Person) -> list[PinRequest]:
    return [request for request in person.asked if isinstance(request, PinRequest)]


async def refusal(agent: RunningAgent) -> AgentProblemError:
    """What a login is refused for."""
    with pytest.raises(AgentProblemError) as raised:
        await agent.ask(login)
    return raised.value


def login(client: Client) -> dict[str, str]:
    return client.authenticate(SITE, NONCE)


def test_the_main_job_as_a_program_of_its_own(folder: Path, softhsm: SoftHsm, tmp_path: Path) -> None:
    flags = ("--unattended", "--virtual", "--module", str(softhsm.module))
    with agent_program(folder, *flags, env=softhsm.env) as client:
        cards = {card["number"]: card for card in client.cards()}
        assert set(cards) == {DEFAULT.serial, softhsm.serial}
        assert cards[softhsm.serial]["pin"] == {"state": "ready", "triesLeft": None}
        mine = [each for each in client.certificates() if each["cardNumber"] == softhsm.serial]
        assert [each["role"] for each in mine] == ["authentication", "signature"]
        write_chain(tmp_path, mine[0])
        verify_token(tmp_path, client.authenticate(SITE, NONCE, softhsm.serial), SITE, NONCE)
        (signed,) = client.sign([("a.txt", b"content")], card_number=softhsm.serial)
        verify_cms(tmp_path, signed.content, b"content")


async def test_hash_values_are_signed(agent: RunningAgent, tmp_path: Path, person: Person) -> None:
    (tmp_path / "content").write_bytes(b"content")
    for algorithm in ("sha256", "sha1"):
        value = hashlib.new(algorithm, b"content").digest()
        (signed,) = await agent.ask(lambda client, a=algorithm, v=value: client.sign_raw([("a", v)], a))
        write_pem(tmp_path / "sig.pem", signed.certificate_der)
        (tmp_path / "sig").write_bytes(signed.content)
        openssl(tmp_path, "x509", "-in", "sig.pem", "-noout", "-pubkey", "-out", "sig.pub")
        openssl(tmp_path, "dgst", f"-{algorithm}", "-verify", "sig.pub", "-signature", "sig", "content")
    assert len(pins(person)) == 2


async def test_several_documents_take_one_code(agent: RunningAgent, person: Person, tmp_path: Path) -> None:
    (certificate, _) = await agent.ask(lambda client: client.certificates())
    write_chain(tmp_path, certificate)
    documents = [(f"{number}.txt", b"%d" % number) for number in range(4)]
    for signed in await agent.ask(lambda client: client.sign(documents)):
        verify_cms(tmp_path, signed.content, signed.name[:1].encode())
    assert len(pins(person)) == 1


async def test_codes_are_checked_changed_and_set(agent: RunningAgent, person: Person) -> None:
    assert (await agent.ask(lambda client: client.pin("verify")))["pin"]["state"] == "ready"
    person.new_pin = "567890"
    await agent.ask(lambda client: client.pin("change"))
    assert (await refusal(agent)).code == "pin-wrong"
    person.pin = "567890"
    await agent.ask(login)
    person.pin, person.new_pin = "12345678", "2468"
    await agent.ask(lambda client: client.pin("unblock"))
    person.pin = "2468"
    await agent.ask(login)


async def test_a_wrong_code_is_named_without_tries_that_the_token_does_not_tell(
    agent: RunningAgent, person: Person
) -> None:
    person.pin = "9999"
    refused = await refusal(agent)
    assert (refused.code, refused.problem["layer"], refused.tries_left) == ("pin-wrong", "person", None)
    person.pin = "1234"
    await agent.ask(login)


@pytest.mark.parametrize(
    ("fault", "code"), [("crash", "module-crashed"), ("exit", "module-crashed"), ("hang", "module-timeout")]
)
async def test_a_module_that_fails_in_a_signature_costs_that_signature(
    failing: RunningAgent, faulty: FaultyModule, person: Person, fault: str, code: str
) -> None:
    await failing.ask(login)
    faulty.fail("C_SignInit", fault)
    started = time.monotonic()
    refused = await refusal(failing)
    assert (refused.code, refused.problem["layer"]) == (code, "middleware")
    assert time.monotonic() - started < 3 * TIMEOUT_S
    assert len(pins(person)) == 2
    entry = await failing.ask(latest_use)
    assert (entry["action"], entry["outcome"]) == ("authenticate", code)
    faulty.mend()
    await failing.ask(login)


async def test_a_worker_killed_in_a_signature_costs_that_signature(failing: RunningAgent, faulty: FaultyModule) -> None:
    await failing.ask(login)
    faulty.calls()
    faulty.fail("C_SignInit", "hang")
    refused = asyncio.create_task(refusal(failing))
    await until(lambda: "C_SignInit" in faulty.called())
    (process_id,) = faulty.processes()
    os.kill(process_id, signal.SIGKILL)
    assert (await refused).code == "module-crashed"
    faulty.mend()
    await failing.ask(login)
    assert [entry["outcome"] for entry in await failing.ask(lambda client: client.journal(2))] == [
        "ok",
        "module-crashed",
    ]


async def test_a_worker_killed_while_idle_costs_no_code(
    failing: RunningAgent, faulty: FaultyModule, person: Person
) -> None:
    """It is noticed before anybody is asked."""
    await failing.ask(login)
    (process_id,) = faulty.processes()
    os.kill(process_id, signal.SIGKILL)
    await until(lambda: not faulty.processes())
    person.asked.clear()
    assert (await refusal(failing)).code == "module-crashed"
    assert pins(person) == []
    await failing.ask(login)


async def test_others_are_served_while_a_module_hangs(
    folder: Path, faulty: FaultyModule, person: Person, card_beside: VirtualReaders
) -> None:
    async with running_agent(folder, person, card_beside, modules=(faulty.library,)) as agent:
        await agent.ask(lambda client: client.authenticate(SITE, NONCE, faulty.token.serial))
        faulty.fail("C_SignInit", "hang")
        with Client.of(folder) as another:
            hanging = asyncio.create_task(asyncio.to_thread(another.authenticate, SITE, NONCE, faulty.token.serial))
            await until(lambda: "C_SignInit" in faulty.called())
            await agent.ask(lambda client: client.authenticate(SITE, NONCE, DEFAULT.serial))
            assert not hanging.done()
            with pytest.raises(AgentProblemError) as raised:
                await hanging
        assert raised.value.code == "module-timeout"


async def test_a_module_that_is_not_there_is_a_trouble_and_no_more(
    folder: Path, person: Person, card_beside: VirtualReaders, tmp_path: Path
) -> None:
    missing = tmp_path / "no-such-module.so"
    async with running_agent(folder, person, card_beside, modules=(missing,)) as agent:
        await agent.ask(login)
        readers = {each["name"]: each for each in (await agent.ask(lambda client: client.status()))["readers"]}
        assert readers[missing.name]["state"] == "trouble"
        assert readers[missing.name]["trouble"]["code"] == "module-absent"
        assert str(tmp_path) not in str(readers)
        assert len(await agent.ask(lambda client: client.cards())) == 1


async def test_a_module_that_comes_later_is_used(
    folder: Path, faulty: FaultyModule, person: Person, no_card: VirtualReaders
) -> None:
    """Whoever asks has the module looked at again: nothing has to be restarted."""
    faulty.fail("C_Initialize", "refuse")
    async with running_agent(folder, person, no_card, modules=(faulty.library,)) as agent:
        assert (await refusal(agent)).code == "module-absent"
        faulty.mend()

        outcomes = [await outcome(agent)]
        while outcomes[-1] != "ok" and len(outcomes) < 100:
            outcomes.append(await outcome(agent))
        assert outcomes[-1] == "ok"
        assert set(outcomes) <= {"ok", "card-absent", "module-absent"}


async def outcome(agent: RunningAgent) -> str:
    try:
        await agent.ask(login)
    except AgentProblemError as error:
        return error.code
    return "ok"


async def test_nothing_of_a_stopped_agent_goes_on(
    folder: Path, faulty: FaultyModule, person: Person, no_card: VirtualReaders
) -> None:
    async with running_agent(folder, person, no_card, modules=(faulty.library,)) as agent:
        await agent.ask(login)
        assert faulty.processes()
    await until(lambda: not faulty.processes())


async def test_no_caller_chooses_a_module_or_a_slot(agent: RunningAgent) -> None:
    document = {"name": "a", "content": "AAAA"}
    bodies = {
        "/v1/signatures": {"format": "cms", "documents": [document]},
        "/v1/authentications": {"format": "web-eid:1.0", "challengeNonce": NONCE, "origin": SITE},
        "/v1/pin/verify": {},
    }
    for path, body in bodies.items():
        for member in ("module", "modules", "slot", "slotId", "access", "library"):
            answer = await agent.program("POST", path, {**body, member: "/tmp/evil.so"})
            assert (answer.status, answer.code) == (400, "bad-request")
    for path in bodies:
        answer = await agent.program("POST", f"{path}?module=/tmp/evil.so", {"cardNumber": "../evil.so"})
        assert answer.status in (400, 409)
