"""Software certificates in the whole agent: imported, listed, used by their number, removed; programs only."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_der_x509_certificate
from support.agent import NONCE, DeskPresence, Person, RunningAgent, running_agent
from support.openssl import verify_cms, write_pem
from support.organisations import OrganisationKey
from support.p12 import p12_file, pem_file
from support.schemas import list_misfits

from agent.client import AgentProblemError
from agent.people.prompt import Action, Deed, DeedRequest, PinRequest, PromptRefusedError
from agent.sending import Sha256, ToSign
from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT

WORDS = "tilleul é€"


@pytest.fixture
def folder(made_organisations: Path, tmp_path: Path) -> Path:
    """A data folder with a card, whose test root has certified keys of a structure as well."""
    return Path(shutil.copytree(made_organisations, tmp_path / "data"))


@pytest.fixture
def keys(organisation_keys: dict[str, OrganisationKey]) -> dict[str, OrganisationKey]:
    return {product: organisation_keys[product] for product in ("AUTH_CLI", "SIGN", "CONF")}


@pytest.fixture
def person() -> Person:
    return Person(passphrases=[WORDS])


@pytest.fixture
async def agent(folder: Path, person: Person, readers: VirtualReaders) -> AsyncIterator[RunningAgent]:
    async with running_agent(folder, person, readers, presence=DeskPresence(), software_keys="passphrase") as running:
        yield running


async def take_in(agent: RunningAgent, key: OrganisationKey) -> dict[str, Any]:
    (added,) = await agent.ask(lambda client: client.import_certificate("cabinet.pem", pem_file(key)))
    return added


async def test_file_is_imported_listed_used_by_its_number_and_removed(agent, person, keys, tmp_path):
    person.passphrases = ["wrong", "file é", WORDS]
    content = await asyncio.to_thread(p12_file, tmp_path, keys["SIGN"], "file é")
    (added,) = await agent.ask(lambda client: client.import_certificate("cabinet.p12", content))
    assert [type(question) for question in person.asked] == [DeedRequest] * 3
    assert [(question.opens, question.wrong, question.protects) for question in person.asked] == [
        (True, False, False),
        (True, True, False),
        (False, False, True),
    ]
    assert person.asked[2].certificates[0].role == "SIGN"
    assert person.asked[2].test
    assert (added["role"], added["lent"], added["protection"]) == ("SIGN", "signature", "passphrase")
    number = added["cardNumber"]
    (signed,) = await agent.ask(lambda client: client.sign([("a.txt", b"content")], card_number=number))
    write_pem(tmp_path / "root.pem", keys["SIGN"].chain_der[-1])
    await asyncio.to_thread(verify_cms, tmp_path, signed.content, b"content")
    asked = person.asked[-1]
    assert isinstance(asked, PinRequest)
    assert (asked.action, asked.passphrase, asked.no_code, asked.card.kind) == (Action.SIGN, True, False, "software")
    await agent.ask(lambda client: client.remove_certificate(number))
    assert (await agent.ask(lambda client: client.software_certificates()))["certificates"] == []
    with pytest.raises(AgentProblemError) as refused:
        await agent.ask(lambda client: client.sign([("a.txt", b"content")], card_number=number))
    assert refused.value.code == "card-absent"
    entries = await agent.ask(lambda client: client.journal(9))
    actions = [(entry["action"], entry["outcome"], entry["cardNumber"]) for entry in reversed(entries)]
    assert ("keep-certificate", "ok", None) in actions
    assert ("sign", "ok", number) in actions
    assert ("remove-certificate", "ok", None) in actions
    assert "file é" not in repr(entries)


async def test_pair_of_a_structure_is_one_token_and_signs_raw(agent, person, keys):
    numbers = {(await take_in(agent, key))["cardNumber"] for key in keys.values()}
    assert len(numbers) == 1
    (number,) = numbers
    kept = (await agent.ask(lambda client: client.software_certificates()))["certificates"]
    assert {(one["role"], one["lent"]) for one in kept} == {
        ("AUTH_CLI", "authentication"), ("SIGN", "signature"), ("CONF", None),
    }  # fmt: skip
    digest = hashlib.sha256(b"value").digest()
    (signed,) = await agent.ask(lambda client: client.sign_raw([("v", digest)], card_number=number))
    public = load_der_x509_certificate(signed.certificate_der).public_key()
    public.verify(signed.content, b"value", padding.PKCS1v15(), SHA256())
    token = await agent.ask(lambda client: client.authenticate("https://site.example", NONCE, number))
    assert base64.b64decode(token["unverifiedCertificate"]) == keys["AUTH_CLI"].certificate_der
    assert person.asked[-1].on_behalf_of == "https://site.example"


async def test_cards_in_readers_stay_what_they_are(agent, keys):
    added = await take_in(agent, keys["SIGN"])
    assert [card["number"] for card in await agent.ask(lambda client: client.cards())] == [DEFAULT.serial]
    certificates = await agent.ask(lambda client: client.certificates())
    assert {one["source"] for one in certificates} == {"card", "software"}
    assert [one["cardNumber"] for one in certificates if one["source"] == "software"] == [added["cardNumber"]]
    status = await agent.ask(lambda client: client.status())
    assert (status["condition"], len(status["readers"])) == ("card-ready", 1)
    (signed,) = await agent.ask(lambda client: client.sign([("a", b"a")]))  # nobody named: the card's
    assert base64.b64decode(added["certificate"]) != signed.certificate_der


async def test_answers_are_as_described(agent, keys):
    document = (await agent.call("GET", "/openapi.json", None, {})).body
    body = {"name": "x.pem", "content": base64.b64encode(pem_file(keys["SIGN"])).decode(), "protection": None}
    answers = [
        await agent.program("POST", "/v1/software-certificates", body),
        await agent.program("GET", "/v1/software-certificates"),
    ]
    for answer, method in zip(answers, ("post", "get"), strict=True):
        operation = document["paths"]["/v1/software-certificates"][method]
        schema = operation["responses"]["2XX"]["content"]["application/json"]["schema"]
        assert list_misfits(answer.body, schema, document["components"]["schemas"]) == []
    assert [answer.status for answer in answers] == [201, 200]


async def test_passphrase_is_checked_changed_and_kept_for_a_while(agent, person, keys):
    number = (await take_in(agent, keys["SIGN"]))["cardNumber"]
    person.passphrases = ["nonsense"]
    with pytest.raises(AgentProblemError) as wrong:
        await agent.ask(lambda client: client.pin("verify", number))
    assert (wrong.value.code, wrong.value.tries_left) == ("pin-wrong", None)
    assert "card" not in wrong.value.problem["detail"].split()
    person.passphrases, person.session = [WORDS, "another one"], True
    await agent.ask(lambda client: client.pin("change", number))
    person.passphrases = ["another one"]
    assert (await agent.ask(lambda client: client.pin("verify", number)))["pin"]["triesLeft"] is None
    asked = len(person.asked)
    await agent.ask(lambda client: client.sign([("a", b"a")], card_number=number))
    await agent.ask(lambda client: client.sign([("b", b"b")], card_number=number))
    assert (
        len([one for one in person.asked[asked:] if isinstance(one, PinRequest)]) == 1
    )  # the grant to sign ended the session before
    assert (await agent.ask(lambda client: client.status()))["sessions"][0]["cardNumber"] == number


async def test_removing_ends_session_and_question(agent, person, keys):
    person.session = True
    number = (await take_in(agent, keys["SIGN"]))["cardNumber"]
    await agent.ask(lambda client: client.pin("verify", number))
    assert (await agent.ask(lambda client: client.status()))["sessions"]
    await agent.ask(lambda client: client.remove_certificate(number))
    assert not (await agent.ask(lambda client: client.status()))["sessions"]


async def test_refusal_keeps_nothing(agent, person, keys):
    person.refuses = PromptRefusedError()
    with pytest.raises(AgentProblemError) as refused:
        await take_in(agent, keys["SIGN"])
    assert refused.value.code == "pin-refused"
    assert not (agent.folder / "software").exists()
    assert person.asked[-1].deed is Deed.IMPORT


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_certificate_of_no_known_root_is_told_as_such_before_it_is_kept(folder, person, readers, keys, trusted):
    settings = {"software_keys": "passphrase", "trust_test_cards": trusted}
    async with running_agent(folder, person, readers, presence=DeskPresence(), **settings) as agent:
        await take_in(agent, keys["SIGN"])
    (told,) = person.asked[-1].certificates
    assert told.is_rootless == (not trusted)


async def test_a_batch_is_signed_with_the_certificate_that_is_named(agent, person, keys):
    number = (await take_in(agent, keys["SIGN"]))["cardNumber"]
    digest = Sha256(hashlib.sha256(b"value").digest())
    batch = await agent.ask(lambda client: client.make_batch([ToSign(name, digest) for name in "abc"], None, number))
    await agent.ask(lambda client: client.start_batch(batch["id"]))
    async with asyncio.timeout(20):
        while (ended := await agent.ask(lambda client: client.batch(batch["id"])))["state"] != "done":
            await asyncio.sleep(0.02)
    assert ended["signed"] == 3
    signed = await agent.ask(lambda client: client.batch_signature(batch["id"], 2))
    assert signed.certificate_der == keys["SIGN"].certificate_der
    assert (person.asked[-1].action, person.asked[-1].passphrase) == (Action.SIGN_BATCH, True)
