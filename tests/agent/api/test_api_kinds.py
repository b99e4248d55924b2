"""Every kind of card in a reader of its own, all at once: the API shows each as what it is, and uses those of the family."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import NONCE, PAGE, Person, RunningAgent, running_agent
from support.openssl import verify_token, write_chain

from drivers.virtual.kinds import CPS3_CONTACTLESS, CPS4, KINDS, open_card_of_kind
from drivers.virtual.link import VirtualReaders, reader_name

GRANT = {"abilities": ["identity", "authenticate", "sign"]}
HOSPITAL = {"name": "HOPITAL D'ESSAI", "id": "1990000010", "kind": "finess", "number": "990000010", "key": "right"}
FUND = {"name": "CAISSE D'ESSAI", "id": "399999999900009", "kind": "siret", "number": "99999999900009", "key": "right"}
CARDS = {
    "cps3": ("CPS", "99900001", "VIRTUEL", "899700002712", None),
    "cps4": ("CPS", "99900004", "VIRTUEL", "899700002712", None),
    "cps3-situations": ("CPS", "99900018", "ITINERANT", "899700002738", None),
    "cpf": ("CPF", "99900011", "INTERNE", "999700002720", None),
    "cpe": ("CPE", "99900012", "SOIGNANT", "3990000010/CPET0001", HOSPITAL),
    "cpe-anonymous": ("CPE", "99900013", None, "3990000010/000000018", HOSPITAL),
    "cde": ("CDE", "99900014", "DIRECTEUR", "3990000010/CDET0001", HOSPITAL),
    "cpa": ("CPA", "99900015", "AGENT", "599999999900009/CPAT0001", {**FUND, "name": None}),
    "cda": ("CDA", "99900016", "RESPONSABLE", "599999999900009/CDAT0001", FUND),
}
CONTACTLESS = "cps3-contactless"
TROUBLES = {
    "update-unfinished": ("card-update-unfinished", None, "a été interrompue"),
    "vitale": ("card-unknown", "vitale", "Une carte Vitale est dans le lecteur."),
    "french-eid": ("card-unknown", "french-eid", "Une carte d'identité est dans le lecteur."),
    "bank": ("card-unknown", "bank", "La carte du lecteur est probablement une carte bancaire."),
    "unknown": ("card-unknown", "unknown", "Une carte que l'agent ne connaît pas est dans le lecteur."),
    "mute": ("card-mute", None, "puce vers le haut"),
}
DISPLAY_NAMES = {
    "99900011": "Médecin en formation ALEX INTERNE",
    "99900012": "Aide-soignant DOMINIQUE SOIGNANT",
    "99900013": "HOPITAL D'ESSAI (3990000010/000000018)",
    "99900015": "MAXIME AGENT",
}


@pytest.fixture(scope="module")
def all_kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, VirtualReaders]]:
    folder = tmp_path_factory.mktemp("kinds")
    cards = [open_card_of_kind(folder, kind) for kind in KINDS]
    yield folder, VirtualReaders(cards)
    for card in cards:
        card.close()


@pytest.fixture
async def desk(all_kinds: tuple[Path, VirtualReaders], person: Person) -> AsyncIterator[RunningAgent]:
    folder, readers = all_kinds
    readers._stopped = False
    async with running_agent(folder, person, readers) as agent:
        await agent.page("POST", "/v1/grants", GRANT)
        person.asked.clear()
        yield agent


async def readers_by_kind(desk: RunningAgent) -> dict[str, dict[str, Any]]:
    found = {reader["name"]: reader for reader in (await desk.page("GET", "/v1/readers")).body["readers"]}
    return {kind: found[reader_name(index)] for index, kind in enumerate(KINDS)}


def test_every_kind_is_tested() -> None:
    assert CARDS.keys() | TROUBLES.keys() | {CONTACTLESS} == KINDS.keys()


async def test_every_card_of_the_family_is_shown_as_what_it_is(desk: RunningAgent) -> None:
    shown = {card["number"]: card for card in (await desk.page("GET", "/v1/cards")).body["cards"]}
    assert len(shown) == len(CARDS) + 1
    for kind, number, family_name, national_id, structure in CARDS.values():
        card, holder = shown[number], shown[number]["holder"]
        generation = "CPS4" if number == CPS4.serial else "CPS3"
        assert (card["kind"], card["generation"], card["test"]) == (kind, generation, True)
        assert (holder["familyName"], holder["nationalId"]) == (family_name, national_id)
        assert holder["structure"] == structure
        assert card["tokenId"].startswith("8025000001/29000")
        assert card["pin"] == {"state": "ready", "triesLeft": 3}
    assert shown["99900001"]["holder"]["rpps"] == "99700002712"
    assert shown["99900011"]["holder"]["rpps"] is None
    assert shown["99900011"]["holder"]["futureProfession"] == {"code": "10", "label": "Médecin en formation"}
    assert shown["99900012"]["holder"]["profession"] == {"code": "35", "label": "Aide-soignant"}


async def test_a_card_held_to_a_contactless_reader_is_shown_and_lent_for_nothing(
    desk: RunningAgent, person: Person
) -> None:
    (card,) = [
        card
        for card in (await desk.page("GET", "/v1/cards")).body["cards"]
        if card["number"] == CPS3_CONTACTLESS.serial
    ]
    assert (card["generation"], card["pin"], card["test"]) == ("CPS3-CL", None, True)
    (certificate,) = [
        item
        for item in (await desk.page("GET", "/v1/certificates")).body["certificates"]
        if item["cardNumber"] == CPS3_CONTACTLESS.serial
    ]
    assert certificate["label"] == "CPS_PRIV_TECH_AUT"
    number = {"cardNumber": CPS3_CONTACTLESS.serial}
    document = {"name": "a", "content": "AAAA"}
    for path, body in {
        "/v1/authentications": {"format": "web-eid:1.0", "challengeNonce": NONCE},
        "/v1/signatures": {"format": "cms", "documents": [document]},
        "/v1/pin/verify": {},
        "/v1/pin/change": {},
        "/v1/pin/unblock": {},
    }.items():
        answer = await desk.page("POST", path, {**body, **number})
        assert (answer.code, answer.body["title"]) == ("not-supported", "Card must be inserted"), path
    assert person.asked == []


async def test_every_other_card_is_named_in_its_reader(desk: RunningAgent) -> None:
    readers = await readers_by_kind(desk)
    for kind, (code, card, words) in TROUBLES.items():
        reader = readers[kind]
        assert (reader["state"], reader["cardNumber"], reader["trouble"]["code"]) == ("trouble", None, code), kind
        assert reader["trouble"].get("card") == card
        assert words in reader["trouble"]["detailFr"]
        assert reader["trouble"]["detail"] != reader["trouble"]["detailFr"]
    for kind in CARDS:
        assert (readers[kind]["state"], readers[kind]["trouble"]) == ("ready", None)


@pytest.mark.parametrize(("kind", "number"), [(kind, number) for kind, number, *_ in CARDS.values()])
async def test_every_card_of_the_family_logs_in_and_is_named_in_the_dialog(
    desk: RunningAgent, person: Person, kind: str, number: str, tmp_path: Path
) -> None:
    body = {"format": "web-eid:1.0", "challengeNonce": NONCE, "cardNumber": number}
    answer = await desk.page("POST", "/v1/authentications", body)
    assert answer.status == 200, answer.body
    certificates = (await desk.page("GET", "/v1/certificates")).body["certificates"]
    mine = [item for item in certificates if item["cardNumber"] == number and item["role"] == "authentication"]
    write_chain(tmp_path, mine[0])
    verify_token(tmp_path, answer.body, PAGE, NONCE)
    (asked,) = person.asked
    assert (asked.card.kind, asked.card.number) == (kind, number)
    assert asked.card.test
    if number in DISPLAY_NAMES:
        assert asked.card.holder == DISPLAY_NAMES[number]


async def test_a_card_that_is_not_there_costs_no_question(desk: RunningAgent, person: Person) -> None:
    body = {"format": "web-eid:1.0", "challengeNonce": NONCE, "cardNumber": "00000000"}
    answer = await desk.page("POST", "/v1/authentications", body)
    assert (answer.status, answer.body["layer"]) == (409, "card")
    assert person.asked == []
