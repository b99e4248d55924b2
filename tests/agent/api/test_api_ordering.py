"""Certificates on order: a request that openssl takes, the certificate that comes back to its key, renewals in time."""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from support.agent import DeskPresence, Person, RunningAgent, running_agent
from support.openssl import openssl, verify_cms, write_pem
from support.organisations import OrganisationKey, certify
from support.p12 import p12_file, pem_file
from support.schemas import list_misfits
from support.software import copy_folder, take_in

from agent.client import AgentProblemError
from agent.people.prompt import Deed, DeedRequest, PromptRefusedError
from drivers.virtual.link import VirtualReaders
from drivers.virtual.organisations import Offer, Organisation
from drivers.virtual.pki import TestPki
from drivers.virtual.store import pki_folder

WORDS = "words of the order"
SUBJECT = {
    "place": "Rhône (69)", "organisation": "CABINET VIRTUEL", "structureId": "1990000001", "commonName": "LOGICIEL",
}  # fmt: skip
PRODUCT = "elementaire-org-sign"


@pytest.fixture
def folder(made_organisations: Path, tmp_path: Path) -> Path:
    return copy_folder(made_organisations, tmp_path)


@pytest.fixture
def person() -> Person:
    return Person(passphrases=[WORDS])


@pytest.fixture
async def agent(folder: Path, person: Person) -> AsyncIterator[RunningAgent]:
    settings: dict[str, Any] = {"software_keys": "passphrase", "trust_test_cards": True}
    async with running_agent(folder, person, VirtualReaders(), presence=DeskPresence(), **settings) as running:
        yield running


def issue(folder: Path, request_pem: str) -> tuple[bytes, ...]:
    """What the test authority answers to a request: the certificate, and those of the authorities."""
    public = x509.load_pem_x509_csr(request_pem.encode()).public_key()
    pki = TestPki.open(pki_folder(folder))
    offer = Offer("SIGN", Organisation(common_name=SUBJECT["commonName"]))
    *_, issuing, root = pki.chain_der()
    return pki.issue_to_organisation(offer, public), issuing, root


async def refusal(agent: RunningAgent, work: Any) -> dict[str, Any]:
    with pytest.raises(AgentProblemError) as refused:
        await agent.ask(work)
    return refused.value.problem


async def test_order_becomes_a_certificate_that_signs(agent, person, tmp_path):
    order = await agent.ask(lambda client: client.order_certificate(PRODUCT, SUBJECT))
    (asked,) = person.asked
    assert (asked.deed, asked.protects) == (Deed.ORDER, True)
    assert "CABINET VIRTUEL" in asked.subject
    (tmp_path / "order.csr").write_text(order["request"])
    shown = openssl(
        tmp_path, "req", "-in", "order.csr", "-verify", "-noout", "-subject", "-nameopt", "utf8,sep_comma_plus"
    )
    assert shown.strip().endswith("C=FR,ST=Rhône (69),O=CABINET VIRTUEL,OU=1990000001,CN=LOGICIEL")
    waiting = await agent.ask(lambda client: client.certificate_orders())
    assert [one["id"] for one in waiting["orders"]] == [order["id"]]
    delivered = "".join(ssl.DER_cert_to_PEM_cert(der) for der in issue(agent.folder, order["request"])).encode()
    (added,) = await agent.ask(lambda client: client.deliver_certificate(order["id"], "sign.pem", delivered))
    assert isinstance(person.asked[-1], DeedRequest)
    assert (person.asked[-1].deed, person.asked[-1].test) == (Deed.DELIVER, True)
    assert (added["role"], added["lent"], added["protection"]) == ("SIGN", "signature", "passphrase")
    assert (await agent.ask(lambda client: client.certificate_orders()))["orders"] == []
    (signed,) = await agent.ask(lambda client: client.sign([("a", b"content")], card_number=added["cardNumber"]))
    write_pem(tmp_path / "root.pem", issue(agent.folder, order["request"])[-1])
    await asyncio.to_thread(verify_cms, tmp_path, signed.content, b"content")


async def test_certificate_of_another_key_is_not_taken(agent, person, organisation_keys):
    order = await agent.ask(lambda client: client.order_certificate(PRODUCT, SUBJECT))
    asked = len(person.asked)
    for content in (organisation_keys["SIGN"].certificate_der, b"noise"):
        problem = await refusal(agent, lambda client, c=content: client.deliver_certificate(order["id"], "x.cer", c))
        assert problem["code"] == "file-refused"
    assert len(person.asked) == asked
    assert len((await agent.ask(lambda client: client.certificate_orders()))["orders"]) == 1


@pytest.mark.parametrize(
    ("product", "change", "member"),
    [
        ("elementaire-org-nothing", {}, "no product"),
        (PRODUCT, {"place": "Rhône"}, "place"),
        (PRODUCT, {"structureId": "69"}, "structure_id"),
        (PRODUCT, {"organisation": " CABINET"}, "organisation"),
        ("elementaire-insi-auth-cli", {"commonName": "INSI"}, "common_name"),
        ("elementaire-serv-ssl-serv", {"commonName": "no host"}, "common_name"),
    ],
)
async def test_order_that_cannot_be_asks_nobody(agent, person, product, change, member):
    problem = await refusal(agent, lambda client: client.order_certificate(product, SUBJECT | change))
    assert (problem["code"], person.asked) == ("bad-request", [])
    assert member in problem["hint"]


async def test_refused_order_leaves_no_key_and_a_cancelled_one_neither(agent, person):
    person.refuses = PromptRefusedError()
    assert (await refusal(agent, lambda client: client.order_certificate(PRODUCT, SUBJECT)))["code"] == "pin-refused"
    assert not (agent.folder / "software-orders").exists()
    person.refuses = None
    await agent.ask(lambda client: client.allow_questions())
    order = await agent.ask(lambda client: client.order_certificate(PRODUCT, SUBJECT))
    await agent.ask(lambda client: client.cancel_order(order["id"]))
    assert person.asked[-1].deed is Deed.CANCEL_ORDER
    assert list((agent.folder / "software-orders").iterdir()) == []
    assert (await refusal(agent, lambda client: client.cancel_order(order["id"])))["code"] == "not-found"


async def test_renewal_is_proposed_filled_in_and_seen_to_be_ordered(agent, person):
    ending = certify(agent.folder, OrganisationKey.make("SIGN", days=30))
    (kept,) = await agent.ask(lambda client: client.import_certificate("x.pem", pem_file(ending)))
    assert kept["state"] == "expiring"
    (due,) = (await agent.ask(lambda client: client.certificate_orders()))["renewals"]
    assert (due["certificate"], due["product"], due["ordered"]) == (kept["id"], PRODUCT, None)
    assert due["subject"]["structureId"] == "1990000001"
    order = await agent.ask(
        lambda client: client.order_certificate(due["product"], due["subject"], replaces=kept["id"])
    )
    (due,) = (await agent.ask(lambda client: client.certificate_orders()))["renewals"]
    assert due["ordered"] == order["id"]


async def test_pair_is_shown(agent, organisation_keys):
    kept = {product: await take_in(agent, organisation_keys[product]) for product in ("AUTH_CLI", "SIGN")}
    (pair,) = (await agent.ask(lambda client: client.software_certificates()))["pairs"]
    assert pair == {"authentication": kept["AUTH_CLI"]["id"], "signature": kept["SIGN"]["id"], "sameName": True}


async def test_answers_are_as_described(agent, organisation_keys):
    document = (await agent.call("GET", "/openapi.json", None, {})).body
    ending = certify(agent.folder, OrganisationKey.make("SIGN", days=30))
    await take_in(agent, ending)
    body = {"product": PRODUCT, "subject": SUBJECT}
    calls = [
        ("post", "/v1/certificate-orders", body), ("get", "/v1/certificate-orders", None),
        ("get", "/v1/certificate-products", None),
    ]  # fmt: skip
    for method, path, sent in calls:
        answer = await agent.program(method.upper(), path, sent)
        schema = document["paths"][path][method]["responses"]["2XX"]["content"]["application/json"]["schema"]
        assert list_misfits(answer.body, schema, document["components"]["schemas"]) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/certificate-orders", None),
        ("GET", "/v1/certificate-products", None),
        ("POST", "/v1/certificate-orders", {"product": PRODUCT, "subject": SUBJECT}),
        (
            "POST",
            f"/v1/certificate-orders/{'0' * 16}/certificate",
            {"name": "x", "content": base64.b64encode(b"x").decode()},
        ),
        ("DELETE", f"/v1/certificate-orders/{'0' * 16}", None),
    ],
)
async def test_attack_page_with_every_grant_orders_nothing(agent, person, method, path, body):
    abilities = ["identity", "authenticate", "sign", "events"]
    assert (await agent.page("POST", "/v1/grants", {"abilities": abilities})).status == 201
    person.asked.clear()
    answer = await agent.page(method, path, body)
    assert (answer.status, answer.code, person.asked) == (401, "token-refused", [])


@pytest.mark.parametrize("order_id", ["..", "%2e%2e%2fagent.db", "0" * 15, "0" * 16, "g" * 16])
async def test_attack_no_path_is_an_order(agent, person, order_id):
    answer = await agent.program("DELETE", f"/v1/certificate-orders/{order_id}")
    assert (answer.status, person.asked) == (404, [])


async def test_attack_unattended_agent_gives_up_no_order_that_a_person_placed(folder, person):
    async with running_agent(folder, person, VirtualReaders(), presence=DeskPresence()) as attended:
        order = await attended.ask(lambda client: client.order_certificate(PRODUCT, SUBJECT, "passphrase"))
    async with running_agent(folder, None, VirtualReaders(), unattended=True) as agent:
        problem = await refusal(agent, lambda client: client.cancel_order(order["id"]))
        assert problem["code"] == "key-refused"
        mine = await agent.ask(lambda client: client.order_certificate(PRODUCT, SUBJECT, "passphrase"))
        await agent.ask(lambda client: client.cancel_order(mine["id"]))
        waiting = await agent.ask(lambda client: client.certificate_orders())
        assert [one["id"] for one in waiting["orders"]] == [order["id"]]


async def test_attack_costly_delivery_keeps_nobody_else_from_the_certificates(agent, organisation_keys, tmp_path):
    order = await agent.ask(lambda client: client.order_certificate(PRODUCT, SUBJECT))
    costly = await asyncio.to_thread(p12_file, tmp_path / "p12", organisation_keys["SIGN"], WORDS, "-iter", "1500000")
    body = {"name": "x.p12", "content": base64.b64encode(costly).decode()}
    path = f"/v1/certificate-orders/{order['id']}/certificate"
    delivering = asyncio.create_task(agent.program("POST", path, body))
    while not is_looking_into_a_file():
        assert not delivering.done()
        await asyncio.sleep(0.005)
    assert (await agent.program("GET", "/v1/software-certificates")).status == 200
    assert is_looking_into_a_file()
    assert (await delivering).code == "file-refused"


def is_looking_into_a_file() -> bool:
    return any("certificate file" in thread.name for thread in threading.enumerate())
