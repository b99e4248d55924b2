"""What a page may find out of software certificates: nothing, whatever it was granted; and a store that is in the way."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.agent import PAGE, DeskPresence, Person, RunningAgent, call, running_agent
from support.organisations import OrganisationKey, certify
from support.pauses import watched_loop
from support.software import FOLDER, copy_folder, keep, store_of
from support.wrapping import MemoryKeys

from agent.access.callers import Caller, CallerKind
from agent.access.errors import StoreError
from agent.api import certificates
from agent.api.views import may_hear
from agent.cards.events import Event, EventType
from agent.cards.policy import CardPolicy
from agent.cards.software import SoftwareCards
from agent.certificates import software_store
from agent.certificates.forgetting import Memories
from drivers.software.store import SoftwareStore
from drivers.virtual.link import VirtualReaders
from drivers.virtual.organisations import Organisation

WORDS = "a long passphrase of nobody"
NOBODYS = "S000000000000000"
MANY = 60
ORDER = {
    "product": "elementaire-org-sign",
    "subject": {
        "place": "Rhône (69)", "organisation": "CABINET", "structureId": "1990000001", "commonName": "LOGICIEL",
    },
}  # fmt: skip
LONGEST_PAUSE_S = 1.0


@pytest.fixture
def folder(made_organisations: Path, tmp_path: Path) -> Path:
    return copy_folder(made_organisations, tmp_path)


@pytest.fixture
async def agent(folder: Path, person: Person, readers: VirtualReaders) -> AsyncIterator[RunningAgent]:
    async with running_agent(folder, person, readers, presence=DeskPresence()) as running:
        yield running


@pytest.fixture
async def number(granted: RunningAgent, folder: Path, organisation_keys: dict[str, OrganisationKey]) -> str:
    """Of a software certificate that the agent has looked at; a page may know it from a directory of certificates."""
    keep(folder, organisation_keys["SIGN"], WORDS)
    certificates = await granted.ask(lambda client: client.certificates())
    (found,) = {one["cardNumber"] for one in certificates if one["source"] == "software"}
    return str(found)


async def test_a_page_is_listed_the_certificates_of_cards_alone(granted, number):
    answer = await granted.page("GET", "/v1/certificates")
    assert {one["source"] for one in answer.body["certificates"]} == {"card"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/cards/{}", None),
        ("POST", "/v1/cards/{}/situations", {}),
        ("POST", "/v1/pin/verify", {"cardNumber": "{}"}),
        ("POST", "/v1/pin/change", {"cardNumber": "{}"}),
    ],
)
async def test_a_page_cannot_tell_a_number_that_is_kept_from_one_that_is_not(
    granted, number, person, method, path, body
):
    def ask(one: str) -> Any:
        filled = None if body is None else {name: value.format(one) for name, value in body.items()}
        return granted.page(method, path.format(one), filled)

    kept, other = await ask(number), await ask(NOBODYS)
    assert (kept.status, kept.body) == (other.status, other.body)
    assert kept.code == "card-absent"
    assert not person.asked


@pytest.mark.parametrize("kind", list(CallerKind))
def test_a_page_hears_nothing_of_software_certificates(kind):
    event = Event(EventType.CERTIFICATE_STATE, None, NOBODYS, code="revoked")
    assert may_hear(Caller(kind, PAGE), event) == (kind is CallerKind.PROGRAM)
    assert may_hear(Caller(kind, PAGE), Event(EventType.CERTIFICATE_STATE, "reader", "99213845", code="revoked"))


async def test_a_store_that_cannot_be_used_hides_no_card(granted, folder, tmp_path):
    (folder / FOLDER).symlink_to(tmp_path, target_is_directory=True)
    certificates = await granted.ask(lambda client: client.certificates())
    assert {one["source"] for one in certificates} == {"card"}


async def test_a_store_that_waits_for_the_person_keeps_nobody_waiting(tmp_path, monkeypatch):
    """As a key store does that is to be unlocked."""
    monkeypatch.setattr(certificates, "PATIENCE_S", 0.2)
    (tmp_path / FOLDER).mkdir()
    release = threading.Event()

    def open_store(path: Path) -> SoftwareStore:
        release.wait(10)
        return SoftwareStore(path, MemoryKeys())

    kept = SoftwareCards(tmp_path, open_store, CardPolicy(lambda _: False, lambda _: False, unattended=False))
    try:
        async with asyncio.timeout(3):
            assert await certificates.list_kept(kept) == []
    finally:
        release.set()
        kept.close()


async def test_many_certificates_stop_nothing_else_while_they_are_listed(agent, folder, organisation_keys):
    store, key = store_of(folder), organisation_keys["SIGN"]
    for number in range(MANY):
        other = certify(folder, key.again("SIGN", organisation=Organisation(name=f"CABINET {number}")))
        with other.key() as private:
            store.add(private, other.certificate_der, (), None)
    await agent.ask(lambda client: client.software_certificates())  # the store is read
    async with watched_loop() as pauses:
        listed = await agent.ask(lambda client: client.software_certificates())
        await agent.ask(lambda client: client.certificates())
        await agent.ask(lambda client: client.means())
    assert len(listed["certificates"]) == MANY
    assert pauses.longest < LONGEST_PAUSE_S


async def test_a_key_store_that_hangs_keeps_no_other_caller_waiting(agent, monkeypatch):
    """Callers are looked up in the threads of the loop, of which there are few; these here have their own."""
    begun, release = threading.Semaphore(0), threading.Event()

    def hang() -> bool:
        begun.release()
        return release.wait(20)

    monkeypatch.setattr(software_store, "has_key_store", hang)
    program = {"Authorization": f"Bearer {agent.token}"}
    with ThreadPoolExecutor(12) as threads:
        orders = [threads.submit(call, agent.port, "POST", "/v1/certificate-orders", ORDER, program) for _ in range(10)]
        try:
            for _ in range(os.cpu_count() or 1):
                await asyncio.wrap_future(threads.submit(begun.acquire, timeout=5))
            status = threads.submit(call, agent.port, "GET", "/v1/status", None, {"Origin": PAGE})
            assert (await asyncio.wait_for(asyncio.wrap_future(status), 3)).status == 200
        finally:
            release.set()
            await asyncio.gather(*map(asyncio.wrap_future, orders))


async def test_a_memory_that_cannot_be_emptied_keeps_no_other_one_full():
    emptied = []

    async def full() -> int:
        raise StoreError("the disk fails")

    async def other() -> int:
        emptied.append("other")
        return 1

    async def scrub() -> None:
        emptied.append("scrubbed")

    memories = Memories(scrub)
    memories.add("full", full)
    memories.add("other", other)
    with pytest.raises(StoreError):
        await memories.forget_all()
    assert emptied == ["other", "scrubbed"]
