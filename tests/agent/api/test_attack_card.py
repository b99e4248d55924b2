"""Attacks by a card: hostile names, borrowed certificates, an exchange behind the person's back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.agent import Person, RunningAgent, running_agent

from agent.people.wire import Envelope, read_envelope, write_envelope
from drivers.virtual.card_os import VirtualCard
from drivers.virtual.image import build_image
from drivers.virtual.kinds import CPE_ANONYMOUS
from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.pki import TestPki
from drivers.virtual.store import VirtualCardStore, open_card, pki_folder

ALL = {"abilities": ["identity", "authenticate", "sign"]}
SIGN = {"format": "cms", "documents": [{"name": "<b>d</b>\u202e\n", "content": "AAAA"}]}
LOGIN = {"format": "web-eid:1.0", "challengeNonce": "A" * 44}
HOSTILE = "<img src=x>\u202eLIVE\u2066\x1b[2J"


async def test_attack_names_of_a_card_are_plain_in_dialog_and_journal(tmp_path: Path, person: Person) -> None:
    holder = replace(DEFAULT.holder, family_name=HOSTILE, title="Dr\r\nPIN:")
    card = open_card(tmp_path, replace(DEFAULT, holder=holder))
    async with running_agent(tmp_path, person, VirtualReaders([card])) as agent:
        await agent.page("POST", "/v1/grants", ALL)
        assert (await agent.page("GET", "/v1/cards")).body["cards"][0]["holder"]["familyName"] == HOSTILE
        assert (await agent.page("POST", "/v1/signatures", SIGN)).status == 200
        journal = json.dumps(await agent.ask(lambda client: client.journal()), ensure_ascii=False)
    card.close()
    shown = read_envelope(write_envelope(Envelope(person.asked[-1]))).question
    for text in (shown.card.holder, shown.subjects[0], journal):
        assert all(char.isprintable() for char in text), text
        assert "\u202e" not in text


async def test_attack_structure_of_a_card_without_a_name_is_plain_in_the_dialog(tmp_path: Path, person: Person) -> None:
    holder = replace(CPE_ANONYMOUS.holder, structure=HOSTILE, number="1\u202e\n/2")
    card = open_card(tmp_path, replace(CPE_ANONYMOUS, holder=holder))
    async with running_agent(tmp_path, person, VirtualReaders([card])) as agent:
        await agent.page("POST", "/v1/grants", ALL)
        shown = (await agent.page("GET", "/v1/cards")).body["cards"][0]["holder"]
        assert (shown["structure"]["name"], shown["structure"]["id"]) == (HOSTILE, "1990000010")
        assert (await agent.page("POST", "/v1/signatures", SIGN)).status == 200
    card.close()
    asked = read_envelope(write_envelope(Envelope(person.asked[-1]))).question
    assert "LIVE" in asked.card.holder
    assert all(char.isprintable() and char != "\u202e" for char in asked.card.holder), asked.card.holder


async def test_attack_card_with_the_certificates_of_another_signs_nothing(
    folder: Path, tmp_path: Path, person: Person
) -> None:
    """Certificates are public, so anybody can put a colleague's into a card of his own: its key is another one."""
    pki = TestPki.open(pki_folder(folder))
    real = VirtualCardStore.open(folder / "virtual" / "cards" / DEFAULT.serial)
    own = VirtualCardStore.open(tmp_path / "clone")
    borrowed = {role: real._certificate(pki, role) for role in real.keys}
    clone = VirtualCard(DEFAULT, build_image(DEFAULT, borrowed, None), own)
    async with running_agent(folder, person, VirtualReaders([clone])) as agent:
        await agent.page("POST", "/v1/grants", ALL)
        for path, body in (("/v1/signatures", SIGN), ("/v1/authentications", LOGIN)):
            answer = await agent.page("POST", path, body)
            assert answer.code in ("card-unknown", "card-removed")
            assert "signature" not in answer.body
    real.close()
    own.close()


@pytest.mark.parametrize("twin", [False, True])
async def test_attack_card_exchanged_while_the_person_types_gets_no_code(
    folder: Path, tmp_path: Path, person: Person, readers: VirtualReaders, twin: bool
) -> None:
    """Also one that says it is the same card: the code was typed for what the dialog showed."""
    serial = DEFAULT.serial if twin else DEFAULT.serial[:-1] + ("1" if DEFAULT.serial[-1] != "1" else "2")
    other = open_card(tmp_path / "other", replace(DEFAULT, serial=serial))
    tries = other._memory.codes
    person.pin = "9999"
    person.on_ask = lambda: readers.insert(other)
    async with running_agent(folder, person, readers) as agent:
        await agent.page("POST", "/v1/grants", ALL)
        answer = await agent.page("POST", "/v1/signatures", SIGN)
        assert answer.code == "card-removed"
    assert other._memory.codes == tries
    other.close()


async def test_attack_card_that_calls_itself_a_test_card_is_given_no_scripted_code(
    tmp_path: Path, readers: VirtualReaders
) -> None:
    """Every virtual card carries the mark of the test domain: the mark alone opens nothing."""
    elsewhere = tmp_path / "elsewhere"
    TestPki.open(pki_folder(elsewhere))
    async with running_agent(elsewhere, readers=readers, unattended=True) as agent:
        await agent.page("POST", "/v1/grants", ALL)
        assert (await agent.page("POST", "/v1/signatures", SIGN)).code == "key-refused"


@pytest.mark.parametrize(("path", "body"), [("/v1/signatures", SIGN), ("/v1/authentications", LOGIN)])
async def test_attack_grant_taken_back_while_the_person_types(
    granted: RunningAgent, person: Person, path: str, body: dict[str, object]
) -> None:
    async def take_back() -> None:
        for grant in (await granted.program("GET", "/v1/grants")).body["grants"]:
            await granted.program("DELETE", f"/v1/grants/{grant['id']}")

    person.on_ask = take_back
    assert (await granted.page("POST", path, body)).code == "grant-required"
