"""The main job through the public API: read the card, authenticate, sign; openssl agrees."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from support.agent import NONCE, PAGE, Person, RunningAgent
from support.openssl import openssl, verify_cms, verify_token, write_chain, write_pem

from agent.client import AgentProblemError
from agent.people.prompt import Action, ConfirmRequest, PinRequest

CONTENT = "Prescription : éàç\r\n".encode() * 50


async def test_a_page_reads_the_card_and_its_holder(granted: RunningAgent) -> None:
    answer = await granted.page("GET", "/v1/cards")
    (card,) = answer.body["cards"]
    assert card["kind"] == "CPS"
    assert card["generation"] == "CPS3"
    assert card["test"] is True
    assert card["pin"] == {"state": "ready", "triesLeft": 3}
    assert card["holder"]["nationalId"] == "8" + card["holder"]["rpps"]
    assert card["holder"]["identifier"] == {"kind": "rpps", "value": card["holder"]["rpps"], "key": "right"}
    assert card["holder"]["principalName"] == f"8.{card['holder']['rpps']}@carte-cps.fr"
    assert card["holder"]["category"]["code"] == "80"
    assert card["holder"]["profession"] == {"code": "10", "label": "Médecin"}
    assert card["holder"]["speciality"]["code"] == "SM26"
    assert (await granted.page("GET", f"/v1/cards/{card['number']}")).body == card
    assert (await granted.page("GET", "/v1/cards/00000000")).code == "card-absent"


async def test_a_page_gets_a_token_for_its_own_origin(granted: RunningAgent, person: Person, tmp_path: Path) -> None:
    certificates = (await granted.page("GET", "/v1/certificates")).body["certificates"]
    write_chain(tmp_path, certificates[0])
    answer = await granted.page("POST", "/v1/authentications", {"format": "web-eid:1.0", "challengeNonce": NONCE})
    assert answer.status == 200
    assert answer.body.keys() == {"unverifiedCertificate", "algorithm", "signature", "format", "appVersion"}
    assert answer.body["algorithm"] == "RS256"
    verify_token(tmp_path, answer.body, PAGE, NONCE)
    (asked,) = person.asked
    assert isinstance(asked, PinRequest)
    assert (asked.asker.caller, asked.action, asked.tries_left) == (PAGE, Action.AUTHENTICATE, 3)
    assert asked.asker.through is not None


@pytest.mark.parametrize("detached", [True, False])
async def test_a_page_signs_documents_in_cms(granted: RunningAgent, tmp_path: Path, detached: bool) -> None:
    certificates = (await granted.page("GET", "/v1/certificates")).body["certificates"]
    write_chain(tmp_path, certificates[0])
    documents = [{"name": f"{n}.txt", "content": base64.b64encode(CONTENT * n).decode()} for n in (1, 2)]
    body = {"format": "cms", "level": "B", "detached": detached, "documents": documents}
    answer = await granted.page("POST", "/v1/signatures", body)
    assert [signature["name"] for signature in answer.body["signatures"]] == ["1.txt", "2.txt"]
    for n, signature in enumerate(answer.body["signatures"], 1):
        words = verify_cms(tmp_path, base64.b64decode(signature["content"]), CONTENT * n, detached=detached)
        assert "signingCertificateV2" in words or "signing-certificate" in words.lower()
        assert "signingTime" in words


async def test_one_code_serves_all_documents_of_one_request(granted: RunningAgent, person: Person) -> None:
    documents = [{"name": f"{n}.txt", "content": "AAAA"} for n in range(5)]
    assert (await granted.page("POST", "/v1/signatures", {"format": "cms", "documents": documents})).status == 200
    (asked,) = person.asked
    assert isinstance(asked, PinRequest)
    assert asked.subjects == tuple(f"{n}.txt" for n in range(5))


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
async def test_a_program_signs_raw_after_consent(
    agent: RunningAgent, person: Person, tmp_path: Path, algorithm: str
) -> None:
    value = hashlib.new(algorithm, CONTENT).digest()
    (signed,) = await agent.ask(lambda client: client.sign_raw([("x", value)], algorithm))
    write_pem(tmp_path / "cert.pem", signed.certificate_der)
    (tmp_path / "sig").write_bytes(signed.content)
    (tmp_path / "content").write_bytes(CONTENT)
    openssl(tmp_path, "x509", "-in", "cert.pem", "-noout", "-pubkey", "-out", "key.pub")
    openssl(tmp_path, "dgst", f"-{algorithm}", "-verify", "key.pub", "-signature", "sig", "content")
    consent, code = person.asked
    assert isinstance(consent, ConfirmRequest)
    assert consent.abilities == ("sign-raw",)
    assert isinstance(code, PinRequest)
    assert code.action is Action.SIGN_RAW


async def test_a_program_authenticates_for_a_site_with_fresh_consent_each_time(
    agent: RunningAgent, person: Person
) -> None:
    for _ in range(2):
        await agent.ask(lambda client: client.authenticate("https://site.example", NONCE))
    assert [asked.on_behalf_of for asked in person.asked if isinstance(asked, PinRequest)] == [
        "https://site.example"
    ] * 2
    assert await agent.ask(lambda client: client.grants()) == []


async def test_the_exchanges_of_a_use_are_in_the_journal(granted: RunningAgent) -> None:
    await granted.page("POST", "/v1/authentications", {"format": "web-eid:1.0", "challengeNonce": NONCE})
    await granted.page("POST", "/v1/signatures", {"format": "cms", "documents": [{"name": "d", "content": "AAAA"}]})
    entries = {entry["action"]: entry for entry in await granted.ask(lambda client: client.journal())}
    assert entries["authenticate"]["exchanges"] == 8
    assert entries["sign"]["exchanges"] == 8
    assert entries["read-card"]["exchanges"] <= 48
    assert entries["sign"]["caller"] == PAGE
    assert entries["sign"]["outcome"] == "ok"
    assert entries["sign"]["subject"] == "d"


async def test_after_each_use_the_card_is_closed(granted: RunningAgent, person: Person) -> None:
    await granted.page("POST", "/v1/authentications", {"format": "web-eid:1.0", "challengeNonce": NONCE})
    card = (await granted.page("GET", "/v1/cards")).body["cards"][0]
    assert card["pin"]["triesLeft"] == 3  # a verified card tells no tries
    person.pin = "9999"
    answer = await granted.page("POST", "/v1/authentications", {"format": "web-eid:1.0", "challengeNonce": NONCE})
    assert (answer.code, answer.body["triesLeft"]) == ("pin-wrong", 2)


async def test_a_number_chooses_the_card(granted: RunningAgent) -> None:
    card = (await granted.page("GET", "/v1/cards")).body["cards"][0]
    body = {"format": "web-eid:1.0", "challengeNonce": NONCE, "cardNumber": card["number"]}
    assert (await granted.page("POST", "/v1/authentications", body)).status == 200
    assert (await granted.page("POST", "/v1/authentications", body | {"cardNumber": "1"})).code == "card-absent"


async def test_the_client_raises_the_problem(agent: RunningAgent, person: Person) -> None:
    person.agrees = False
    with pytest.raises(AgentProblemError) as raised:
        await agent.ask(lambda client: client.sign([("d", b"x")]))
    assert (raised.value.code, raised.value.status) == ("grant-refused", 403)
