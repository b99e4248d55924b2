"""A card that is opened while something goes wrong: by itself, and while somebody asks for it."""

from __future__ import annotations

import asyncio
import base64
import threading
from pathlib import Path

import pytest
from failure_cards import FaultyReaders, Moment, Plan
from failure_desk import ABILITIES, REQUESTS, Holder
from failure_faults import FAULTS
from failure_operations import FIRST_READS, OPERATIONS
from support.agent import running_agent
from support.lines import until
from test_failures_agent import Talk, faulty_desk

from drivers.virtual.store import open_card
from drivers.virtual.trace import TracedCard

REQUEST = {request.name: request for request in REQUESTS}
FAULT = {fault.name: fault for fault in FAULTS}
FIRST_READ = next(operation for operation in OPERATIONS if operation.name == FIRST_READS[0])


@pytest.mark.parametrize("fault", ["6F00", "no answer", "unlisted PC-SC result"])
async def test_one_answer_that_went_wrong_while_a_card_was_read_does_not_cost_the_card(
    tmp_path: Path, fault: str
) -> None:
    """Nobody has to pull the card: it is read again by itself after a moment."""
    async with faulty_desk(tmp_path / "data") as desk:
        talk = Talk(desk, REQUEST["authentication"])
        await talk.succeed()
        desk.readers.begin(Plan(FIRST_READ.exchanges.index("READ 3F0000017001 0+121"), FAULT[fault].happen))
        desk.insert_unknown()
        async with asyncio.timeout(2.5):
            while (await talk.request.call(desk)).status != 200:
                await asyncio.sleep(0.05)


async def test_who_asks_while_a_card_is_inserted_twice_gets_the_card(tmp_path: Path) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def hold(moment: Moment) -> bytes:
        reading.set()
        assert go_on.wait(10)
        return moment.do()

    async with faulty_desk(tmp_path / "data") as desk:
        talk = Talk(desk, REQUEST["authentication"])
        await talk.succeed()
        desk.readers.begin(Plan(1, hold))
        desk.readers.insert(desk.card)
        await asyncio.to_thread(reading.wait, 10)
        asking = asyncio.create_task(desk.agent.page("GET", "/v1/certificates"))
        await until(lambda: desk.readers.all_told)
        for _ in range(5):  # meanwhile the other request comes as far as it can
            await desk.agent.page("GET", "/v1/status")
        desk.readers.insert(desk.card)
        await until(lambda: desk.readers.all_told)
        go_on.set()
        assert len((await asking).body["certificates"]) == 2


async def test_a_certificate_damaged_while_it_was_read_is_not_kept(tmp_path: Path) -> None:
    """Its issuer is known, so anybody can tell: else every site refuses the card until its renewal."""

    def damage(moment: Moment) -> bytes:
        answer = bytearray(moment.do())
        answer[-10] ^= 1  # in the issuer's signature, which stands at the end
        return bytes(answer)

    with open_card(tmp_path / "data") as card:
        readers = FaultyReaders(TracedCard(card))
        last = len(FIRST_READ.exchanges) - 1
        readers.begin(Plan(last, damage))
        async with running_agent(tmp_path / "data", Holder(pin="1234"), readers) as agent:
            assert (await agent.page("POST", "/v1/grants", ABILITIES)).status == 201
            assert (await agent.page("GET", "/v1/certificates")).body["certificates"] == []
            readers.begin(None)
            readers.insert(TracedCard(card))
            await until(lambda: readers.all_told)
            async with asyncio.timeout(10):
                while len(listed := (await agent.page("GET", "/v1/certificates")).body["certificates"]) < 2:
                    await asyncio.sleep(0.02)
    assert all(entry["chain"] for entry in listed)
    assert {base64.b64decode(entry["certificate"]) for entry in listed} == {*card_certificates(card)}


def card_certificates(card: object) -> list[bytes]:
    """What stands in the card's own files."""
    files = card._image.application.elementary_files()
    return [file.content for file in files if file.fid in (0xB001, 0xB002)]
