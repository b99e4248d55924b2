"""Attacks by way of software certificates: pages, ungranted programs, hostile files, planted folders, lost patience."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import NONCE, DeskPresence, Person, RunningAgent, running_agent
from support.lines import open_line
from support.organisations import OrganisationKey, certify
from support.p12 import p12_file, pem_file
from support.software import FOLDER, copy_folder, keep, store_of, take_in

from agent.client import AgentProblemError
from agent.people.prompt import ConfirmRequest, PinRequest, PromptUnavailableError
from drivers.virtual.link import VirtualReaders
from drivers.virtual.organisations import Organisation

WORDS = "a long passphrase of nobody"
CONTENT = base64.b64encode(b"x").decode()
SOME_ID = "0" * 32
ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/v1/software-certificates", None),
    ("POST", "/v1/software-certificates", {"name": "x.p12", "content": CONTENT}),
    ("DELETE", f"/v1/software-certificates/{SOME_ID}", None),
]


@pytest.fixture
def folder(made_organisations: Path, tmp_path: Path) -> Path:
    return copy_folder(made_organisations, tmp_path)


@pytest.fixture
def sign_key(organisation_keys: dict[str, OrganisationKey]) -> OrganisationKey:
    return organisation_keys["SIGN"]


@pytest.fixture(scope="module")
def real_key(made_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> OrganisationKey:
    """A key under the test root of another folder: to this agent as real as any."""
    other = Path(shutil.copytree(made_folder, tmp_path_factory.mktemp("other") / "data"))
    shutil.rmtree(other / "virtual" / "pki")
    return certify(other, OrganisationKey.make("SIGN", organisation=Organisation(name="CLINIQUE")))


@pytest.fixture
def person() -> Person:
    return Person(passphrases=[WORDS])


@pytest.fixture
async def agent(folder: Path, person: Person, readers: VirtualReaders) -> AsyncIterator[RunningAgent]:
    async with running_agent(folder, person, readers, presence=DeskPresence(), software_keys="passphrase") as running:
        yield running


async def refusal(agent: RunningAgent, work: Any) -> str:
    with pytest.raises(AgentProblemError) as refused:
        await agent.ask(work)
    return refused.value.code


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_attack_page_with_every_grant_gets_nothing(agent, person, method, path, body):
    abilities = ["identity", "authenticate", "sign", "events"]
    assert (await agent.page("POST", "/v1/grants", {"abilities": abilities})).status == 201
    person.asked.clear()
    answer = await agent.page(method, path, body)
    assert (answer.status, answer.code, person.asked) == (401, "token-refused", [])


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_attack_program_without_the_token_gets_nothing(agent, person, method, path, body):
    answer = await agent.call(method, path, body, {"Authorization": "Bearer guess"})
    assert (answer.status, answer.code, person.asked) == (401, "token-refused", [])


@pytest.mark.parametrize("member", ["password", "passphrase", "pin"])
async def test_attack_no_passphrase_is_taken_in_a_call(agent, person, member):
    body = {"name": "x.p12", "content": CONTENT, member: "secret words"}
    answer = await agent.program("POST", "/v1/software-certificates", body)
    assert (answer.status, person.asked) == (400, [])
    assert "no code is ever sent" in answer.body["hint"]
    assert "secret words" not in repr(await agent.ask(lambda client: client.journal(5)))


async def test_attack_program_without_a_grant_is_asked_for_and_refused(agent, person, sign_key):
    number = (await take_in(agent, sign_key))["cardNumber"]
    person.agrees = False
    person.asked.clear()
    assert await refusal(agent, lambda client: client.sign([("a", b"a")], card_number=number)) == "grant-refused"
    assert [type(question) for question in person.asked] == [ConfirmRequest]


async def test_attack_page_is_lent_no_certificate_that_it_does_not_name(folder, person, organisation_keys):
    keep(folder, organisation_keys["AUTH_CLI"], WORDS)
    async with running_agent(folder, person, VirtualReaders()) as agent:
        await agent.page("POST", "/v1/grants", {"abilities": ["authenticate", "sign"]})
        body: dict[str, Any] = {"format": "web-eid:1.0", "challengeNonce": NONCE}
        assert (await agent.page("POST", "/v1/authentications", body)).code in ("reader-absent", "card-absent")
        body = {"format": "cms", "documents": [{"name": "a", "content": CONTENT}]}
        assert (await agent.page("POST", "/v1/signatures", body)).code in ("reader-absent", "card-absent")
    assert not any(isinstance(question, PinRequest) for question in person.asked)


HOSTILE_FILES = {
    "empty": b"",
    "noise": bytes(range(256)) * 64,
    "nested": b"\x30\x80" * 5000,
    "endless length": b"\x30\x84\xff\xff\xff\xff\x02\x01\x03",
    "a zip": b"PK\x03\x04" + bytes(2000),
    "half a PEM": b"-----BEGIN PRIVATE KEY-----\nMIIE",
}


@pytest.mark.parametrize("content", HOSTILE_FILES.values(), ids=HOSTILE_FILES)
async def test_attack_hostile_file_costs_that_call_alone(agent, person, content):
    code = await refusal(agent, lambda client: client.import_certificate("x.p12", content))
    assert (code, person.asked) == ("file-refused", [])
    assert not (agent.folder / FOLDER).exists()


async def test_attack_large_file_is_refused_before_it_is_read(agent, person):
    code = await refusal(agent, lambda client: client.import_certificate("x.p12", bytes(11 << 20)))
    assert (code, person.asked) == ("file-refused", [])
    with contextlib.suppress(OSError):  # the agent may hang up while the rest is still on its way
        answer = await agent.program("POST", "/v1/software-certificates", {"name": "x", "content": "A" * (17 << 20)})
        assert answer.code == "body-too-large"


async def test_attack_costly_file_keeps_nobody_else_waiting(agent, person, sign_key, tmp_path):
    """The most that is taken on: others are served meanwhile, and a second file has to wait its turn."""
    content = await asyncio.to_thread(p12_file, tmp_path / "p12", sign_key, WORDS, "-iter", "1500000")
    importing = asyncio.create_task(agent.program("POST", "/v1/software-certificates", body_of(content)))
    await asyncio.sleep(0)
    begun = time.monotonic()
    statuses = [await agent.program("GET", "/v1/status") for _ in range(5)]
    assert [answer.status for answer in statuses] == [200] * 5
    while not importing.done():
        second = await agent.program("POST", "/v1/software-certificates", body_of(content))
        if second.code == "too-many-requests":
            break
    assert time.monotonic() - begun < 30
    importing.cancel()


def body_of(content: bytes, name: str = "x.p12") -> dict[str, Any]:
    return {"name": name, "content": base64.b64encode(content).decode()}


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.2])
async def test_attack_caller_that_leaves_while_a_key_is_encrypted_leaves_it_whole_or_not_at_all(
    agent, person, sign_key, after_s
):
    body = json.dumps(body_of(pem_file(sign_key))).encode()
    head = (
        f"POST /v1/software-certificates HTTP/1.1\r\nHost: 127.0.0.1:{agent.port}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {agent.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    line = open_line(agent.port, head.encode() + body)
    person.on_ask = lambda: asyncio.get_running_loop().call_later(after_s, line.close) and None
    async with asyncio.timeout(20):
        while line.fileno() >= 0:
            await asyncio.sleep(0.01)
    person.on_ask = None
    kept = (await agent.ask(lambda client: client.software_certificates()))["certificates"]  # after what was begun
    for number in [one["cardNumber"] for one in kept]:
        (signed,) = await agent.ask(lambda client, number=number: client.sign([("a", b"a")], card_number=number))
        assert signed.certificate_der == sign_key.certificate_der
    await take_in(agent, sign_key)  # nothing is left in the way


async def test_attack_three_wrong_passphrases_end_an_import_and_lock_nothing(agent, person, sign_key, tmp_path):
    content = await asyncio.to_thread(p12_file, tmp_path / "p12", sign_key, WORDS)
    person.passphrases = ["guess"]
    assert await refusal(agent, lambda client: client.import_certificate("x.p12", content)) == "pin-wrong"
    assert [question.wrong for question in person.asked] == [False, True, True]
    person.passphrases = [WORDS]
    assert len(await agent.ask(lambda client: client.import_certificate("x.p12", content))) == 1


async def test_attack_guessing_slows_that_key_alone(agent, person, organisation_keys):
    number = (await take_in(agent, organisation_keys["SIGN"]))["cardNumber"]
    person.passphrases = ["guess"]
    assert await refusal(agent, lambda client: client.pin("verify", number)) == "pin-wrong"
    guessing = asyncio.create_task(agent.program("POST", "/v1/pin/verify", {"cardNumber": number}))
    begun = time.monotonic()
    await agent.ask(lambda client: client.cards())
    assert time.monotonic() - begun < 3
    assert (await guessing).code in ("pin-wrong", "card-busy")


async def test_attack_store_that_is_a_link_is_not_written_through(agent, person, sign_key, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (agent.folder / FOLDER).symlink_to(elsewhere)
    assert (
        await refusal(agent, lambda client: client.import_certificate("x.pem", pem_file(sign_key))) == "storage-failed"
    )
    assert list(elsewhere.iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a folder away")
async def test_attack_store_of_another_user_is_not_read(agent, person, sign_key):
    keep(agent.folder, sign_key, WORDS)
    for path in [agent.folder / FOLDER, *(agent.folder / FOLDER).rglob("*")]:
        os.chown(path, 65534, 65534)
    assert await refusal(agent, lambda client: client.software_certificates()) == "storage-failed"


async def test_attack_key_removed_during_its_question_signs_nothing(agent, person, sign_key):
    number = (await take_in(agent, sign_key))["cardNumber"]
    await agent.ask(lambda client: client.grant(["sign"]))
    shown, answered = asyncio.Event(), asyncio.Event()

    async def think() -> None:
        shown.set()
        await answered.wait()

    person.on_ask = think
    body = {"format": "cms", "documents": [{"name": "a", "content": CONTENT}], "cardNumber": number}
    signing = asyncio.create_task(agent.program("POST", "/v1/signatures", body))
    await shown.wait()
    (entry,) = store_of(agent.folder).list_entries()
    store_of(agent.folder).remove(entry.id)
    await agent.ask(lambda client: client.certificates())  # the agent notices
    answer = await signing
    assert answer.code == "card-removed"
    assert isinstance(person.asked[-1], PinRequest)


async def test_attack_unattended_agent_lends_and_takes_in_no_real_certificate(folder, readers, real_key, sign_key):
    keep(folder, real_key, "1234")
    async with running_agent(folder, None, readers, unattended=True, software_keys="passphrase") as agent:
        (kept,) = (await agent.ask(lambda client: client.software_certificates()))["certificates"]
        number = kept["cardNumber"]
        certificates = await agent.ask(lambda client: client.certificates())
        assert number not in {one["cardNumber"] for one in certificates}
        assert await refusal(agent, lambda client: client.sign([("a", b"a")], card_number=number)) == "key-refused"
        assert await refusal(agent, lambda client: client.remove_certificate(number)) == "key-refused"
        code = await refusal(agent, lambda client: client.import_certificate("x.pem", pem_file(real_key)))
        assert code == "key-refused"
        added = await take_in(agent, sign_key)
        signed = await agent.ask(lambda client: client.sign([("a", b"a")], card_number=added["cardNumber"]))
        assert signed[0].certificate_der == sign_key.certificate_der


async def test_attack_nobody_there_to_ask_keeps_and_removes_nothing(agent, person, sign_key):
    added = await take_in(agent, sign_key)
    person.refuses = PromptUnavailableError()
    assert await refusal(agent, lambda client: client.remove_certificate(added["id"])) == "pin-refused"
    assert len(store_of(agent.folder).list_entries()) == 1


@pytest.mark.parametrize("target", ["..", "%2e%2e%2fagent.db", "S0", "s0a1b2c3d4e5f607", "0" * 31, "g" * 32, SOME_ID])
async def test_attack_no_path_is_a_certificate(agent, person, target):
    answer = await agent.program("DELETE", f"/v1/software-certificates/{target}")
    assert (answer.status, person.asked) == (404, [])
    assert (agent.folder / "agent.db").exists()


async def test_attack_damaged_entry_costs_itself_alone(agent, person, organisation_keys):
    kept = [(await take_in(agent, organisation_keys[product]))["id"] for product in ("SIGN", "AUTH_CLI")]
    (agent.folder / FOLDER / kept[0] / "entry.json").write_bytes(b"\xff")
    answer = await agent.ask(lambda client: client.software_certificates())
    assert ([one["id"] for one in answer["certificates"]], answer["damaged"]) == ([kept[1]], [kept[0]])
    await agent.ask(lambda client: client.remove_certificate(kept[0]))
    assert (await agent.ask(lambda client: client.software_certificates()))["damaged"] == []


async def test_attack_passphrase_is_in_no_answer_file_journal_or_log(agent, person, sign_key, caplog):
    number = (await take_in(agent, sign_key))["cardNumber"]
    await agent.ask(lambda client: client.sign([("a", b"a")], card_number=number))
    person.passphrases = ["wrong " + WORDS]
    await refusal(agent, lambda client: client.pin("verify", number))
    told = [repr(await agent.ask(lambda client: client.journal(20))), caplog.text]
    told += [path.read_bytes().decode("latin-1") for path in agent.folder.rglob("*") if path.is_file()]
    assert [text[:60] for text in told if WORDS in text] == []
    clear = sign_key.key().pkcs8
    assert not any(bytes(clear[-64:]).decode("latin-1") in text for text in told)
