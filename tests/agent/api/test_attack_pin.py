"""Attacks on the code: a client that leaves, a job that comes late, a code wiped under a thread's hands."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from pathlib import Path

import pytest
from support.agent import PAGE, Person, RunningAgent, running_agent
from support.lines import DEADLINE_S, open_line, page_request, until

from agent.people.prompt import ConfirmRequest, PinAnswer, PinRequest, Prompt
from drivers.errors import PinFormatError
from drivers.pin import Pin
from drivers.virtual.chip import Chip
from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card

SIGN = b'{"format": "cms", "documents": [{"name": "d", "content": "AAAA"}]}'
VERIFY, PSO = 0x20, 0x2A
STATUS = -1  # VERIFY without a code


class WipedMeanwhile(bytearray):
    """Digits that the event loop wipes as soon as the slot's thread has looked at one of them."""

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        value = super().__getitem__(index)
        self[:] = bytes(len(self))
        return value


def test_attack_code_wiped_between_the_check_and_the_copy_is_not_sent_as_zeroes() -> None:
    pin = Pin(WipedMeanwhile(b"1234"))
    command = bytearray(b"\x00\x20\x00\x01\x04")
    try:
        pin.append_to(command)
    except PinFormatError:
        assert command == b"\x00\x20\x00\x01\x04"
    else:
        assert command.endswith(b"1234")


def test_attack_wiped_code_is_never_appended() -> None:
    pin = Pin(bytearray(b"1234"))
    pin.wipe()
    command = bytearray(b"head")
    with pytest.raises(PinFormatError):
        pin.append_to(command)
    assert command == b"head"


class GatedCard(Chip):
    """A card that stops before commands of one kind until the test lets it go on, and lists what it got."""

    def __init__(self, card: Chip, stop_at: int) -> None:
        self.atr = card.atr
        self.seen: list[int] = []
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.resets = 0
        self._card = card
        self._stop_at = stop_at
        self.armed = False

    def power_on(self) -> bytes:
        return self._card.power_on()

    def power_off(self) -> None:
        self._card.power_off()

    def reset(self) -> bytes:
        self.resets += 1
        return self._card.reset()

    def process(self, apdu: bytes) -> bytes:
        if self.armed:
            self.seen.append(apdu[1] if len(apdu) > 5 or apdu[1] != VERIFY else STATUS)
            if self.seen[-1] == self._stop_at:
                self.reached.set()
                self.go_on.wait(DEADLINE_S)
        return self._card.process(apdu)


class KeepingPerson(Prompt):
    """Somebody who agrees; the test keeps the codes to look at them afterwards."""

    def __init__(self) -> None:
        self.codes: list[Pin] = []
        self.thinks = asyncio.Event()
        self.thinks.set()

    async def ask_pin(self, request: PinRequest) -> PinAnswer:
        await self.thinks.wait()
        self.codes.append(Pin(bytearray(b"1234")))
        return PinAnswer(self.codes[-1])

    async def confirm(self, request: ConfirmRequest) -> bool:
        return True

    async def choose_card(self, choice: object) -> str:
        raise AssertionError(choice)

    async def agree(self, request: object) -> None:
        raise AssertionError(request)

    async def inform(self, message: object) -> None:
        raise AssertionError(message)


def is_wiped(pin: Pin) -> bool:
    return not any(pin._digits)


def open_request(port: int, origin: str = PAGE) -> socket.socket:
    """A page that asks for a signature and holds the line, to be hung up by the test."""
    return open_line(port, page_request(port, "/v1/signatures", SIGN, origin))


async def last_outcomes(agent: RunningAgent, count: int = 1) -> list[tuple[str, str]]:
    entries = await agent.ask(lambda client: client.journal(count))
    return [(entry["action"], entry["outcome"]) for entry in entries]


@pytest.mark.parametrize("stop_at", [VERIFY, PSO])
async def test_attack_client_that_leaves_while_the_card_works_gets_nothing_and_leaves_nothing_open(
    folder: Path, stop_at: int
) -> None:
    card, person = open_card(folder), KeepingPerson()
    gated = GatedCard(card, stop_at)
    async with running_agent(folder, person, VirtualReaders([gated])) as agent:
        assert (await agent.page("POST", "/v1/grants", {"abilities": ["sign"]})).status == 201
        gated.armed = True
        line = open_request(agent.port)
        await until(gated.reached.is_set)
        line.close()
        await until(lambda: is_wiped(person.codes[0]))
        gated.go_on.set()
        await until(lambda: gated.resets)
        assert gated.seen.count(PSO) == (stop_at == PSO)
        await until_recorded(agent, ("sign", "cancelled"))
        gated.armed = False
        assert (await agent.page("POST", "/v1/signatures", SIGN)).status == 200
    card.close()


async def until_recorded(agent: RunningAgent, entry: tuple[str, str]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while entry not in await last_outcomes(agent, 5):
            await asyncio.sleep(0.005)


async def test_attack_use_that_waits_in_the_queue_when_its_client_leaves_never_reaches_the_card(folder: Path) -> None:
    card, person = open_card(folder), KeepingPerson()
    gated = GatedCard(card, PSO)
    gated.armed = True
    async with running_agent(folder, person, VirtualReaders([gated])) as agent:
        for origin in (PAGE, "https://other.example"):
            assert (await agent.page("POST", "/v1/grants", {"abilities": ["sign"]}, origin)).status == 201
        await until(lambda: STATUS in gated.seen)  # the agent's own look, once a card is known
        gated.seen.clear()
        person.thinks.clear()
        first = open_request(agent.port)
        second = open_request(agent.port, origin="https://other.example")
        await until(lambda: gated.seen.count(STATUS) == 2)
        person.thinks.set()
        await until(lambda: gated.reached.is_set() and len(person.codes) == 2)
        second.close()
        first.close()
        await until(lambda: all(map(is_wiped, person.codes)))
        gated.go_on.set()
        await until_recorded(agent, ("sign", "cancelled"))
        assert gated.seen.count(PSO) == 1
        assert gated.seen.count(VERIFY) == 1
    card.close()


async def test_attack_no_code_stays_in_the_daemon_after_success_or_refusal(
    granted: RunningAgent, person: Person
) -> None:
    person.pin = "1234"
    assert (await granted.page("POST", "/v1/signatures", SIGN)).status == 200
    person.pin = "9876"
    assert (await granted.page("POST", "/v1/signatures", SIGN)).code == "pin-wrong"
    gc.collect()
    alive = [pin for pin in gc.get_objects() if isinstance(pin, PinAnswer) and not is_wiped(pin.code)]
    assert alive == []
    journal = await granted.ask(lambda client: client.journal())
    assert "9876" not in str(journal)
