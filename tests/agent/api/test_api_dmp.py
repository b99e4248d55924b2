"""The DMP and INSi through the API: a page and a program, the card's own word for who asks, xmlsec1 for the rest."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from support.agent import Answer, Person, RunningAgent, running_agent
from support.certificates import change_card, unsort
from support.openssl import write_chain, write_pem
from support.organisations import OrganisationKey
from support.p12 import pem_file
from support.xmlsec_profiles import accepts

from agent.people.prompt import Action, AssertionSummary, PinRequest
from drivers.virtual.kinds import open_card_of_kind
from drivers.virtual.link import VirtualReaders
from drivers.virtual.pad import VirtualPad
from drivers.virtual.store import open_card

SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
PRACTICE, CENTRE = "499700002712005", "1990000010"
PATIENT = {"ins": "207058575627097", "kind": "test"}
VIHF = {"mode": "direct", "structure": {"id": PRACTICE}, "patient": PATIENT, "software": {"name": "LPS"}}
SET = "1.2.250.1.999.1.1.7898.3.1"
CDA = {"id": "urn:oid:1.2.250.1.999.1.4.1", "mediaType": "text/xml", "content": base64.b64encode(b"<a/>").decode()}
SUBMISSION = {"submissionSetId": SET, "documents": [CDA]}
ROLE = {"code": "AUTRE", "codeSystem": "1.2.250.1.213.1.1.4.6", "displayName": "Secrétaire"}
INDIRECT = {
    "mode": "indirect",
    "professional": {"id": "899700002712", "name": "CAMILLE <VIRTUEL>", "roles": [ROLE]},
    "structure": {"id": "1990000001", "sector": "SA01"},
    "authentication": {"classRef": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"},
}


async def vihf(agent: RunningAgent, **changes: Any) -> Answer:
    return await agent.page("POST", "/v1/assertions/vihf", VIHF | changes)


async def verified(agent: RunningAgent, tmp_path: Path, signed: dict[str, str]) -> Any:
    """The root of a signed document, once xmlsec1 has taken it under the card's chain."""
    certificates = (await agent.page("GET", "/v1/certificates")).body["certificates"]
    write_chain(tmp_path, certificates[0])
    content = base64.b64decode(signed["content"])
    assert await asyncio.to_thread(accepts, tmp_path, content)
    return etree.fromstring(content)


def attributes(root: Any) -> dict[str, list[Any]]:
    return {
        each.get("Name"): [value.text if not len(value) else value[0].get("code") for value in each]
        for each in root.iter(f"{SAML}Attribute")
    }


async def test_a_page_gets_a_vihf_of_the_card_with_one_code(
    granted: RunningAgent, person: Person, tmp_path: Path
) -> None:
    answer = await vihf(granted)
    assert answer.status == 200, answer.body
    assert answer.body["assertion"]["mediaType"] == "application/samlassertion+xml"
    root = await verified(granted, tmp_path, answer.body["assertion"])
    assert root.find(f"{SAML}Subject")[0].text == "899700002712"
    found = attributes(root)
    assert found["Identifiant_Structure"] == [PRACTICE]
    assert found["Secteur_Activite"] == ["SA07^1.2.250.1.71.4.2.4"]
    assert found["urn:oasis:names:tc:xacml:2.0:subject:role"] == ["10", "SM26"]
    (asked,) = person.asked
    assert isinstance(asked, PinRequest)
    assert asked.action is Action.ASSERT
    assert asked.assertion == AssertionSummary(
        "VIHF 3.0", "direct", structure=PRACTICE, patient=PATIENT["ins"], purpose="Accès normal [normal]"
    )
    assert asked.certificate is not None


async def test_each_vihf_is_asked_for_and_no_session_serves_it(granted: RunningAgent, person: Person) -> None:
    person.session = True
    for _ in range(2):
        assert (await vihf(granted)).status == 200
    assert [question.action for question in person.asked if isinstance(question, PinRequest)] == [Action.ASSERT] * 2
    assert all(question.session_minutes is None for question in person.asked if isinstance(question, PinRequest))


async def test_a_structure_that_is_not_on_the_card_is_refused(granted: RunningAgent, person: Person) -> None:
    for structure in ({"id": "1750000001"}, {"id": PRACTICE, "sector": "SA05"}, {"sector": "SA99"}):
        answer = await vihf(granted, structure=structure)
        assert (answer.status, answer.code) == (422, "structure-refused")
        assert answer.body["structures"] == [
            {"id": PRACTICE, "name": "CABINET DU DR VIRTUEL", "sector": "SA07"},
            {"id": CENTRE, "name": "CENTRE DE SANTE D'ESSAI", "sector": "SA05"},
        ]
    assert len(person.asked) == 1  # once the card has told, nobody is asked for nothing


async def test_who_may_not_read_the_identity_is_told_of_no_structure(agent: RunningAgent, person: Person) -> None:
    assert (await agent.page("POST", "/v1/grants", {"abilities": ["sign"]})).status == 201
    for _ in range(2):  # the second time the card has told already: whether somebody is asked must not tell it
        answer = await vihf(agent, structure={"id": "1750000001"})
        assert (answer.status, answer.code) == (422, "structure-refused")
        assert "structures" not in answer.body
        assert PRACTICE not in str(answer.body)
    assert sum(isinstance(question, PinRequest) for question in person.asked) == 2


async def test_of_two_structures_one_must_be_meant(granted: RunningAgent, tmp_path: Path) -> None:
    answer = await vihf(granted, structure=None)
    assert (answer.status, answer.code) == (422, "structure-refused")
    assert [each["id"] for each in answer.body["structures"]] == [PRACTICE, CENTRE]
    by_sector = await vihf(granted, structure={"sector": "SA05"})
    root = await verified(granted, tmp_path, by_sector.body["assertion"])
    assert attributes(root)["Identifiant_Structure"] == [CENTRE]


IMPOSSIBLE_VIHF: tuple[dict[str, Any], ...] = (
    {"professional": {"id": "899700002720"}},
    {"professional": {"name": "Somebody Else"}},
    {"authentication": {"classRef": "urn:a"}},
    {"patient": {"ins": "207058575627098", "kind": "nir"}},
    {"patient": {"ins": "20705857562709", "kind": "test"}},
    {"patient": {"ins": PATIENT["ins"], "kind": "ins"}},
    {"version": "2.0"},
    {"mode": "DIRECTE"},
    {"hash": "md5"},
    {"accessReason": "a\u0000b"},
    {"accessReason": "a" * 10_000},
    {"software": {"name": "\n"}},
    {"structure": {"id": PRACTICE + "<"}},
    {"structure": {"id": PRACTICE, "sector": "SA07^1.2"}},
    {"resource": "urn:dmp urn:other"},
    {"envelope": {"action": "urn:a\r\nX: y"}},
    {"envelope": {"to": "https://a"}},
    {"purposeOfUse": {"code": "normal", "codeSystem": "1.2.x"}},
    {"confidentiality": "N\n"},
    {"pin": "1234"},
)


async def test_what_a_vihf_cannot_say_is_refused_and_nobody_asked(granted: RunningAgent, person: Person) -> None:
    for changes in IMPOSSIBLE_VIHF:
        answer = await vihf(granted, **changes)
        assert (answer.status, answer.code) == (400, "bad-request"), changes
    assert not person.asked


async def test_roles_that_the_card_tells_are_not_the_callers(granted: RunningAgent) -> None:
    answer = await vihf(granted, professional={"roles": [{"code": "21", "codeSystem": "1.2.250.1.71.1.2.7"}]})
    assert (answer.status, answer.code) == (400, "bad-request")


async def test_a_message_is_wrapped_for_the_dmp(granted: RunningAgent, person: Person, tmp_path: Path) -> None:
    envelope = {"to": "https://dmp.example/patient", "action": "urn:hl7-org:v3:PRPA_IN201307UV02"}
    answer = await vihf(granted, envelope=envelope, hash="sha1")
    assert answer.body["assertion"]["mediaType"] == "application/soap+xml"
    root = await verified(granted, tmp_path, answer.body["assertion"])
    assert root.tag == "{http://www.w3.org/2003/05/soap-envelope}Envelope"
    (asked,) = person.asked
    assert isinstance(asked, PinRequest)
    assert asked.assertion is not None
    assert asked.assertion.recipient == envelope["to"]


async def test_what_a_caller_calls_a_code_hides_no_other(granted: RunningAgent, person: Person) -> None:
    glass = {"code": "brisdeglace", "codeSystem": "1.2.3", "displayName": "Accès normal"}
    changes = {"purposeOfUse": glass, "confidentiality": "S", "resource": "urn:ROR"}
    assert (await vihf(granted, **changes)).status == 200
    (asked,) = person.asked
    assert isinstance(asked, PinRequest)
    summary = asked.assertion
    assert summary is not None
    assert (summary.purpose, summary.confidentiality) == ("Accès normal [brisdeglace]", "S")
    assert summary.service == "VIHF 3.0 (urn:ROR)"


async def test_an_insi_assertion(granted: RunningAgent, person: Person, tmp_path: Path) -> None:
    answer = await granted.page("POST", "/v1/assertions/insi", {"billingId": "991130972"})
    assert answer.status == 200, answer.body
    root = await verified(granted, tmp_path, answer.body["assertion"])
    name = root.find(f"{SAML}Subject")[0]
    assert (dict(name.attrib), name.text) == ({"NameQualifier": "CPS"}, "899700002712")
    assert attributes(root) == {"identifiantFacturation": ["991130972"]}
    (asked,) = person.asked
    assert isinstance(asked, PinRequest)
    assert asked.assertion == AssertionSummary("INSi", billing_id="991130972")


async def test_a_program_signs_a_submission_set(agent: RunningAgent, person: Person, tmp_path: Path) -> None:
    await agent.page("POST", "/v1/grants", {"abilities": ["identity"]})
    person.asked.clear()
    answer = await agent.program("POST", "/v1/dmp/submission-signature", SUBMISSION)
    assert answer.status == 200, answer.body
    signature = answer.body["signature"]
    assert (signature["name"], signature["mediaType"]) == (SET, "text/xml")
    root = await verified(agent, tmp_path, signature)
    digests = [each.text for each in root[3].iter("{http://www.w3.org/2000/09/xmldsig#}DigestValue")]
    assert digests == ["AA==", base64.b64encode(hashlib.sha1(b"<a></a>", usedforsecurity=False).digest()).decode()]
    assert root[5][0][0][0][1].tag.endswith("SigningCertificate")
    assert len(root[5][0][0][0][1]) == 3
    asked = person.asked[-1]
    assert isinstance(asked, PinRequest)
    assert (asked.action, asked.subjects, asked.sizes) == (Action.SIGN, ("urn:oid:1.2.250.1.999.1.4.1",), (4,))


async def test_hashes_of_the_callers_are_shown_as_such(granted: RunningAgent, person: Person) -> None:
    seen, digest = SUBMISSION["documents"][0], base64.b64encode(bytes(20)).decode()  # type: ignore[index]
    unseen = {"id": "1.2.3.4", "mediaType": "application/dicom", "digest": digest, "digestAlgorithm": "sha1"}
    body = SUBMISSION | {"documents": [seen | {"name": "Compte rendu"}, unseen]}
    assert (await granted.page("POST", "/v1/dmp/submission-signature", body)).status == 200
    (asked,) = person.asked
    assert isinstance(asked, PinRequest)
    assert (asked.action, asked.sizes) == (Action.SIGN_DIGESTS, ())
    assert asked.subjects == ("Compte rendu (urn:oid:1.2.250.1.999.1.4.1)", "1.2.3.4")
    entries = (await granted.program("GET", "/v1/journal")).body["entries"]
    assert entries[0]["action"] == "sign-digests"


IMPOSSIBLE_SUBMISSIONS: tuple[dict[str, Any], ...] = (
    {"documents": []},
    {"documents": [CDA, CDA]},
    {"documents": [CDA | {"id": SET}]},
    {"documents": [CDA | {"id": "1.2.x"}]},
    {"documents": [CDA | {"id": "../1.2"}]},
    {"documents": [CDA | {"mediaType": "application/xml"}]},
    {"documents": [CDA | {"digest": "AAAA", "digestAlgorithm": "sha1"}]},
    {"documents": [{"id": "1.2.3", "mediaType": "text/xml"}]},
    {"documents": [{"id": "1.2.3", "mediaType": "text/xml", "digest": "AAAA", "digestAlgorithm": "sha1"}]},
    {"documents": [{"id": "1.2.3", "mediaType": "text/xml", "digest": "AAAA", "digestAlgorithm": "sha256"}]},
    {"hash": "sha512"},
    {"submissionSetId": "1.2.3\n"},
)


async def test_another_submission_is_refused_and_nobody_asked(granted: RunningAgent, person: Person) -> None:
    for changes in IMPOSSIBLE_SUBMISSIONS:
        answer = await granted.page("POST", "/v1/dmp/submission-signature", SUBMISSION | changes)
        assert (answer.status, answer.code) == (400, "bad-request"), changes
    assert not person.asked


async def test_a_cda_with_an_entity_is_refused_and_nobody_asked(granted: RunningAgent, person: Person) -> None:
    bomb = base64.b64encode(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>').decode()
    answer = await granted.page(
        "POST", "/v1/dmp/submission-signature", SUBMISSION | {"documents": [CDA | {"content": bomb}]}
    )
    assert (answer.status, answer.code) == (422, "document-refused")
    assert answer.body["document"] == "1.2.250.1.999.1.4.1"
    assert not person.asked


async def test_a_structures_mode_takes_no_card_and_direct_mode_no_certificate(
    granted: RunningAgent, person: Person
) -> None:
    answer = await granted.page("POST", "/v1/assertions/vihf", INDIRECT)
    assert (answer.status, answer.code) == (422, "key-refused")
    assert not person.asked
    for missing in ("professional", "structure", "authentication"):
        less = {name: value for name, value in INDIRECT.items() if name != missing}
        assert (await granted.page("POST", "/v1/assertions/vihf", less)).code == "bad-request"


@pytest.fixture
async def agent_with(tmp_path: Path, made_folder: Path, person: Person) -> AsyncIterator[Callable[..., Any]]:
    """Start an agent with one card of a kind, granted to the page."""
    async with AsyncExitStack() as stack:

        async def start(kind: str) -> RunningAgent:
            folder = Path(shutil.copytree(made_folder, tmp_path / "desk"))
            card = open_card_of_kind(folder, kind)
            stack.callback(card.close)
            agent = await stack.enter_async_context(running_agent(folder, person, VirtualReaders([card])))
            assert (await agent.page("POST", "/v1/grants", {"abilities": ["identity", "sign"]})).status == 201
            person.asked.clear()
            return agent

        yield start


async def test_an_employee_says_what_no_card_tells(agent_with, tmp_path: Path) -> None:
    agent = await agent_with("cpe")
    answer = await vihf(agent, structure=None)
    root = await verified(agent, tmp_path, answer.body["assertion"])
    found = attributes(root)
    assert found["Identifiant_Structure"] == [CENTRE]
    assert found["urn:oasis:names:tc:xacml:2.0:subject:role"] == ["35"]


@pytest.mark.parametrize("kind", ["cpa", "cpe-anonymous"])
async def test_a_card_of_nobody_is_refused(agent_with, person: Person, kind: str) -> None:
    agent = await agent_with(kind)
    for path, body in (("vihf", VIHF), ("insi", {})):
        answer = await agent.page("POST", f"/v1/assertions/{path}", body)
        assert (answer.status, answer.code) == (422, "key-refused")
    assert not person.asked


async def test_a_structure_vouches_with_its_certificate(
    made_organisations: Path, organisation_keys: dict[str, OrganisationKey], tmp_path: Path
) -> None:
    person = Person(passphrases=["tilleul"])
    folder = Path(shutil.copytree(made_organisations, tmp_path / "data"))
    async with running_agent(folder, person, VirtualReaders([]), software_keys="passphrase") as agent:
        (added,) = await agent.ask(
            lambda client: client.import_certificate("a.pem", pem_file(organisation_keys["SIGN"]))
        )
        number, key = added["cardNumber"], organisation_keys["SIGN"]
        body = INDIRECT | {"mode": "air", "cardNumber": number}
        body["authentication"] = {"classRef": "urn:a", "declaration": "urn:a"}
        answer = await agent.program("POST", "/v1/assertions/vihf", body)
        assert answer.status == 200, answer.body
        assert (await agent.program("POST", "/v1/assertions/vihf", VIHF | {"cardNumber": number})).code == "key-refused"
        assert (await agent.program("POST", "/v1/assertions/insi", {"cardNumber": number})).code == "key-refused"
        assert (await agent.page("POST", "/v1/assertions/vihf", body)).code == "grant-required"
        await agent.page("POST", "/v1/grants", {"abilities": ["sign"]})
        assert (await agent.page("POST", "/v1/assertions/vihf", body)).code == "card-absent"
    for name, der in zip(("issuing.pem", "root.pem"), key.chain_der, strict=True):
        write_pem(tmp_path / name, der)
    content = base64.b64decode(answer.body["assertion"]["content"])
    assert accepts(tmp_path, content)
    root = etree.fromstring(content)
    assert root[0].text == "CN=LOGICIEL VIRTUEL,OU=1990000001,O=CABINET VIRTUEL,ST=Rhône (69),C=FR"
    found = attributes(root)
    assert found["Authentification_mode"] == ["INDIRECTE_RENFORCEE"]
    assert found["urn:oasis:names:tc:xspa:1.0:subject:subject-id"] == ["CAMILLE <VIRTUEL>"]
    asked = next(each for each in person.asked if isinstance(each, PinRequest))
    assert asked.assertion == AssertionSummary(
        "VIHF 3.0",
        "air",
        "CAMILLE <VIRTUEL> (899700002712), Secrétaire [AUTRE]",
        "1990000001",
        purpose="Accès normal [normal]",
    )


async def test_a_card_of_2016_is_named_in_its_own_order(folder: Path, person: Person, tmp_path: Path) -> None:
    change_card(folder, unsort)
    with open_card(folder) as card:
        async with running_agent(folder, person, VirtualReaders([card])) as agent:
            await agent.page("POST", "/v1/grants", {"abilities": ["identity", "sign"]})
            root = await verified(agent, tmp_path, (await vihf(agent)).body["assertion"])
    assert root[0].text.startswith("CN=899700002712+2.5.4.42=#0c0743414d494c4c45+2.5.4.4=#0c07")


async def test_on_a_reader_with_keys_the_code_is_typed_for_the_card_and_for_the_signature(
    folder: Path, person: Person, tmp_path: Path
) -> None:
    pad = VirtualPad()
    pad.type("1234")
    pad.type("1234")
    with open_card(folder) as card:
        async with running_agent(folder, person, VirtualReaders([card], pad=pad)) as agent:
            await agent.page("POST", "/v1/grants", {"abilities": ["identity", "sign"]})
            root = await verified(agent, tmp_path, (await vihf(agent)).body["assertion"])
            pad.type("1234")
            assert (await vihf(agent)).status == 200
    assert attributes(root)["Identifiant_Structure"] == [PRACTICE]
    assert len(person.told) == 3


async def test_a_wrong_code_makes_nothing(granted: RunningAgent, person: Person) -> None:
    person.pin = "9999"
    answer = await vihf(granted)
    assert (answer.status, answer.code, answer.body["triesLeft"]) == (403, "pin-wrong", 2)


async def test_what_is_taken_back_while_the_person_is_asked_is_not_made(granted: RunningAgent, person: Person) -> None:
    (grant,) = (await granted.page("GET", "/v1/grants")).body["grants"]
    person.on_ask = lambda: granted.page("DELETE", f"/v1/grants/{grant['id']}")
    assert (await vihf(granted)).code == "grant-required"


async def test_no_patient_reaches_the_journal(granted: RunningAgent, folder: Path) -> None:
    assert (await vihf(granted)).status == 200
    entry = (await granted.program("GET", "/v1/journal")).body["entries"][0]
    assert (entry["action"], entry["subject"], entry["outcome"]) == ("sign-vihf", "VIHF 3.0, direct", "ok")
    content = b"".join(path.read_bytes() for path in folder.rglob("agent.db*"))
    assert PATIENT["ins"].encode() not in content
    assert PRACTICE.encode() not in content


async def test_the_agent_itself_finds_them_valid(granted: RunningAgent) -> None:
    made = {
        "vihf": (await vihf(granted)).body["assertion"],
        "insi": (await granted.page("POST", "/v1/assertions/insi", {})).body["assertion"],
        "dmp-submission": (await granted.page("POST", "/v1/dmp/submission-signature", SUBMISSION)).body["signature"],
    }
    listed = [{"name": name, "content": signed["content"]} for name, signed in made.items()]
    answer = await granted.page("POST", "/v1/verifications", {"documents": listed})
    verdicts = [document["signatures"][0] for document in answer.body["documents"]]
    assert [(each["profile"], each["signer"]["name"]) for each in verdicts] == [
        (name, "Médecin CAMILLE VIRTUEL") for name in made
    ]
    assert all(each["status"] == "valid" for each in verdicts), verdicts
