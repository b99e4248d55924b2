"""Attacks on the person's patience: doors around a no, windows that flash, a desk taken by strangers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from people_values import CONSENT, LOGIN, login_from

from agent.people.desk import DENIAL_S, MAX_FRUITLESS, MAX_STRANGERS, MAX_WAITING, MAX_WITHDRAWN, Desk
from agent.people.prompt import (
    Asker,
    Deed,
    DeedRequest,
    DeskBusyError,
    PinAnswer,
    Prompt,
    PromptRefusedError,
    PromptTimeoutError,
)
from drivers.pin import Pin


class Person(Prompt):
    """Somebody who says no to consents, or nothing at all while `silent`; `shown` counts the windows."""

    def __init__(self):
        self.shown = 0
        self.silent = False
        self.opened = asyncio.Event()
        self.error = None

    async def _show(self):
        self.shown += 1
        self.opened.set()
        if self.error:
            raise self.error
        if self.silent:
            await asyncio.Event().wait()

    async def ask_pin(self, request):
        await self._show()
        return PinAnswer(Pin(bytearray(b"1234")))

    async def confirm(self, request):
        await self._show()
        return False

    async def choose_card(self, choice: object) -> str:
        raise AssertionError(choice)

    async def agree(self, request):
        await self._show()

    async def inform(self, message):
        await self._show()


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def person():
    return Person()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def desk(person, clock):
    return Desk(person, clock=clock)


def consent_from(origin):
    return replace(CONSENT, asker=Asker(origin, is_page=True))


async def flash(desk, person, question):
    """Ask, and take the question back as soon as it is shown."""
    person.opened.clear()
    task = asyncio.create_task(question)
    await person.opened.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("other", ["https://evil.example:8443", "https://evil.example"])
async def test_attack_a_no_is_not_walked_around_by_another_port(desk, person, other):
    assert not await desk.confirm(consent_from("https://evil.example:444"))
    with pytest.raises(PromptRefusedError):
        await desk.confirm(consent_from(other))
    assert person.shown == 1


async def test_attack_a_no_to_one_local_page_is_not_a_no_to_its_neighbour(desk, person):
    await desk.confirm(consent_from("http://localhost:3000"))
    await desk.confirm(consent_from("http://localhost:5000"))
    assert person.shown == 2


async def test_attack_a_no_to_an_ipv6_page_covers_its_ports(desk, person):
    await desk.confirm(consent_from("https://[2001:db8::1]:444"))
    with pytest.raises(PromptRefusedError):
        await desk.confirm(consent_from("https://[2001:db8::1]"))
    await desk.confirm(consent_from("https://[2001:db8::2]"))


async def test_attack_window_that_flashes_ends_as_a_no(desk, person, clock):
    person.silent = True
    for _ in range(MAX_WITHDRAWN + 1):
        await flash(desk, person, desk.ask_pin(LOGIN))
    with pytest.raises(PromptRefusedError):
        await desk.ask_pin(LOGIN)
    assert person.shown == MAX_WITHDRAWN + 1
    clock.now += DENIAL_S + 1
    person.silent = False
    (await desk.ask_pin(LOGIN)).wipe()


async def test_attack_flashing_origins_by_the_dozen_are_stopped_together(desk, person, clock):
    person.silent = True
    for number in range(MAX_FRUITLESS):
        await flash(desk, person, desk.confirm(consent_from(f"https://{number}.evil.example")))
    with pytest.raises(DeskBusyError):
        await desk.confirm(consent_from("https://last.evil.example"))
    clock.now += DENIAL_S + 1
    person.silent = False
    assert not await desk.confirm(consent_from("https://last.evil.example"))


@pytest.mark.parametrize("error", [None, PromptTimeoutError()])
async def test_attack_refused_and_unanswered_origins_are_stopped_but_granted_ones_are_not(desk, person, error):
    person.error = error
    for number in range(MAX_FRUITLESS):
        if error:
            with pytest.raises(PromptTimeoutError):
                await desk.confirm(consent_from(f"https://{number}.evil.example"))
        else:
            await desk.confirm(consent_from(f"https://{number}.evil.example"))
    with pytest.raises(DeskBusyError):
        await desk.confirm(consent_from("https://last.evil.example"))
    person.error = None
    (await desk.ask_pin(LOGIN)).wipe()


async def test_attack_strangers_do_not_take_every_place_at_the_desk(desk, person):
    person.silent = True
    strangers = [consent_from(f"https://{number}.evil.example") for number in range(MAX_WAITING + 2)]
    tasks = [asyncio.create_task(desk.confirm(request)) for request in strangers]
    await person.opened.wait()
    refused = [task for task in tasks if task.done()]
    assert len(tasks) - len(refused) == MAX_STRANGERS
    assert all(isinstance(task.exception(), DeskBusyError) for task in refused)
    person.silent = False
    waiting = asyncio.create_task(desk.ask_pin(login_from("https://dmp.example")))
    for task in tasks:
        task.cancel()
    (await waiting).wipe()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_attack_programs_without_a_grant_do_not_take_every_place_either(desk, person):
    """A program's name costs nothing: a copy of its file has another one."""
    person.silent = True
    asked = [DeedRequest(Deed.IMPORT, Asker(f"/tmp/{number}"), "cabinet.p12") for number in range(MAX_WAITING)]
    tasks = [asyncio.create_task(desk.agree(request)) for request in asked]
    await person.opened.wait()
    done, waiting = await asyncio.wait(tasks, timeout=0.1)
    assert all(isinstance(task.exception(), DeskBusyError) for task in done)
    assert len(waiting) == MAX_STRANGERS
    for task in waiting:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_attack_pages_that_wait_for_a_consent_keep_nobody_from_an_import(desk, person):
    person.silent = True
    pages = [consent_from(f"https://{number}.evil.example") for number in range(MAX_WAITING)]
    tasks = [asyncio.create_task(desk.confirm(request)) for request in pages]
    await person.opened.wait()
    importing = asyncio.create_task(desk.agree(DeedRequest(Deed.IMPORT, Asker("/usr/bin/cps-agent"), "cabinet.p12")))
    await asyncio.sleep(0)
    assert not importing.done()
    person.silent = False
    for task in tasks:
        task.cancel()
    await importing
    await asyncio.gather(*tasks, return_exceptions=True)
