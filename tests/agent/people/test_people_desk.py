"""The rules of the desk: one question at a time, no doubles, a no that stands for ten minutes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from people_values import CHANGE, CHOICE, CONSENT, LOGIN, NO_TRAY, ON_READER, PAD, login_from

from agent.people.desk import DENIAL_S, MAX_FRUITLESS, MAX_WAITING, MAX_WITHDRAWN, Desk
from agent.people.prompt import (
    CARD_GONE,
    Action,
    Asker,
    DeskBusyError,
    PinAnswer,
    PinKind,
    Prompt,
    PromptRefusedError,
    PromptTimeoutError,
    PromptUnavailableError,
    RefusingPrompt,
)
from drivers.pin import Pin


class ManualPrompt(Prompt):
    """A person who answers when the test says so; `shown` holds the open questions."""

    def __init__(self):
        self.shown = []
        self.seen = 0
        self.most = 0

    async def _show(self, question):
        answer = asyncio.get_running_loop().create_future()
        entry = (question, answer)
        self.shown.append(entry)
        self.seen += 1
        self.most = max(self.most, len(self.shown))
        try:
            return await answer
        finally:
            self.shown.remove(entry)

    async def ask_pin(self, request):
        return await self._show(request)

    async def confirm(self, request):
        return await self._show(request)

    async def choose_card(self, choice):
        return await self._show(choice)

    async def agree(self, request):
        return await self._show(request)

    async def inform(self, message):
        return await self._show(message)

    def answer(self, value):
        self.shown[0][1].set_result(value)

    def fail(self, error):
        self.shown[0][1].set_exception(error)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def person():
    return ManualPrompt()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def desk(person, clock):
    return Desk(person, clock=clock)


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def code():
    return PinAnswer(Pin(bytearray(b"1234")))


async def refuse(desk, person, request=LOGIN, error=None):
    task = asyncio.create_task(desk.ask_pin(request))
    await settle()
    person.fail(error or PromptRefusedError())
    with pytest.raises(PromptRefusedError):
        await task


async def test_questions_come_one_at_a_time_and_in_order(desk, person):
    tasks = [asyncio.create_task(desk.ask_pin(login_from(f"https://{n}.example"))) for n in range(3)]
    for n in range(3):
        await settle()
        assert [question.asker.caller for question, _ in person.shown] == [f"https://{n}.example"]
        person.answer(code())
    await asyncio.gather(*tasks)
    assert person.most == 1


async def test_caller_with_an_open_question_asks_no_second_one(desk, person):
    task = asyncio.create_task(desk.ask_pin(LOGIN))
    await settle()
    with pytest.raises(DeskBusyError):
        await desk.confirm(CONSENT)
    person.answer(code())
    await task


async def test_caller_that_waits_asks_no_second_one(desk, person):
    first = asyncio.create_task(desk.ask_pin(login_from("https://other.example")))
    second = asyncio.create_task(desk.ask_pin(LOGIN))
    await settle()
    with pytest.raises(DeskBusyError):
        await desk.ask_pin(LOGIN)
    for task in (first, second):
        person.answer(code())
        await task
        await settle()


async def test_only_so_many_wait(desk, person):
    callers = [login_from(f"https://{n}.example") for n in range(1 + MAX_WAITING)]
    tasks = [asyncio.create_task(desk.ask_pin(request)) for request in callers]
    await settle()
    with pytest.raises(DeskBusyError):
        await desk.ask_pin(login_from("https://last.example"))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_denial_stands_for_ten_minutes(desk, person, clock):
    await refuse(desk, person)
    clock.now += DENIAL_S - 1
    with pytest.raises(PromptRefusedError):
        await desk.ask_pin(LOGIN)
    assert person.seen == 1
    clock.now += 1
    task = asyncio.create_task(desk.ask_pin(LOGIN))
    await settle()
    person.answer(code())
    await task


async def test_denial_is_for_one_caller_and_one_action(desk, person):
    await refuse(desk, person)
    others = (login_from("https://other.example"), replace(LOGIN, action=Action.SIGN))
    for request in others:
        task = asyncio.create_task(desk.ask_pin(request))
        await settle()
        person.answer(code())
        await task


async def test_denied_consent_covers_each_ability(desk, person):
    task = asyncio.create_task(desk.confirm(CONSENT))
    await settle()
    person.answer(False)
    assert not await task
    with pytest.raises(PromptRefusedError):
        await desk.confirm(replace(CONSENT, abilities=("identity",)))
    assert person.seen == 1


@pytest.mark.parametrize("action", [Action.VERIFY_PIN, Action.CHANGE_PIN, Action.UNBLOCK_PIN])
async def test_denial_stands_for_the_codes_as_well(desk, person, action):
    request = replace(LOGIN, kind=PinKind.VERIFY, action=action)
    await refuse(desk, person, request)
    with pytest.raises(PromptRefusedError):
        await desk.ask_pin(request)
    assert person.seen == 1


async def test_silence_is_no_denial(desk, person):
    await refuse(desk, person, error=PromptTimeoutError())
    await refuse(desk, person)
    assert person.seen == 2


async def test_missing_display_is_no_denial(desk, person):
    for _ in range(2):
        task = asyncio.create_task(desk.ask_pin(LOGIN))
        await settle()
        person.fail(PromptUnavailableError())
        with pytest.raises(PromptUnavailableError):
            await task


async def test_cancelled_question_frees_the_desk(desk, person):
    gone = asyncio.create_task(desk.ask_pin(LOGIN))
    waits = asyncio.create_task(desk.ask_pin(login_from("https://other.example")))
    await settle()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await settle()
    assert [question.asker.caller for question, _ in person.shown] == ["https://other.example"]
    person.answer(code())
    await waits
    again = asyncio.create_task(desk.ask_pin(LOGIN))
    await settle()
    person.answer(code())
    await again


async def test_question_cancelled_while_it_waits_is_never_shown(desk, person):
    first = asyncio.create_task(desk.ask_pin(login_from("https://other.example")))
    await settle()
    gone = asyncio.create_task(desk.ask_pin(LOGIN))
    await settle()
    gone.cancel()
    person.answer(code())
    await asyncio.gather(first, gone, return_exceptions=True)
    assert person.seen == 1


async def test_notices_wait_their_turn(desk, person):
    task = asyncio.create_task(desk.inform(NO_TRAY))
    await settle()
    with pytest.raises(DeskBusyError):
        await desk.inform(NO_TRAY)
    person.answer(None)
    await task


async def test_a_choice_and_the_code_that_follows_are_one_request(desk, person):
    """However often: nothing of a choice that was made counts against whoever asked."""
    for _ in range(MAX_WITHDRAWN + MAX_FRUITLESS):
        choosing = asyncio.create_task(desk.choose_card(CHOICE))
        await settle()
        person.answer(CHOICE.cards[1].number)
        assert await choosing == CHOICE.cards[1].number
        asking = asyncio.create_task(desk.ask_pin(replace(LOGIN, action=CHOICE.action)))
        await settle()
        person.answer(code())
        await asking
    assert desk.denials == 0


async def test_a_refused_choice_is_a_no_to_the_action(desk, person):
    choosing = asyncio.create_task(desk.choose_card(CHOICE))
    await settle()
    person.fail(PromptRefusedError())
    with pytest.raises(PromptRefusedError):
        await choosing
    for question in (desk.choose_card(CHOICE), desk.ask_pin(replace(LOGIN, action=CHOICE.action))):
        with pytest.raises(PromptRefusedError):
            await question
    assert person.seen == 1


async def test_what_to_do_on_the_reader_waits_for_nobody(desk, person):
    """Nor is it refused: other callers' question is open, all places are taken, a notice waits."""
    callers = [login_from(f"https://{n}.example") for n in range(MAX_WAITING)]
    tasks = [asyncio.create_task(desk.ask_pin(request)) for request in callers]
    tasks.append(asyncio.create_task(desk.inform(NO_TRAY)))
    await settle()
    for _ in range(2):
        tasks.append(asyncio.create_task(desk.inform(ON_READER)))
        await settle()
    assert [question for question, _ in person.shown] == [callers[0], ON_READER, ON_READER]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert person.shown == []


async def test_no_question_appears_while_somebody_types_on_the_reader(desk, person):
    asking = asyncio.create_task(desk.ask_pin(PAD))
    await settle()
    person.answer(code())
    await asking
    telling = asyncio.create_task(desk.inform(ON_READER))
    await settle()
    waits = asyncio.create_task(desk.ask_pin(login_from("https://other.example")))
    await settle()
    assert [question for question, _ in person.shown] == [ON_READER]
    telling.cancel()  # the operation is over
    await asyncio.gather(telling, return_exceptions=True)
    await settle()
    assert [question.asker.caller for question, _ in person.shown] == ["https://other.example"]
    person.answer(code())
    await waits


async def test_a_question_that_waits_for_the_reader_can_be_taken_back(desk, person):
    telling = asyncio.create_task(desk.inform(ON_READER))
    await settle()
    for _ in range(MAX_WITHDRAWN + 1):
        gone = asyncio.create_task(desk.ask_pin(LOGIN))
        await settle()
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
    assert desk.denials == 0  # it was never shown
    person.answer(None)
    await telling
    again = asyncio.create_task(desk.ask_pin(LOGIN))
    await settle()
    person.answer(code())
    await again


async def test_denials_are_counted_and_lifted_by_the_person(desk, person, clock):
    await refuse(desk, person)
    await refuse(desk, person, replace(login_from("https://other.example"), action=Action.SIGN))
    assert desk.denials == 2
    desk.lift_denials()
    assert desk.denials == 0
    await refuse(desk, person)
    clock.now += DENIAL_S
    assert desk.denials == 0


async def test_lifting_takes_back_the_stop_of_strangers_and_of_flashes(desk, person):
    for n in range(MAX_FRUITLESS):
        asking = asyncio.create_task(desk.confirm(replace(CONSENT, asker=Asker(f"https://{n}.example", is_page=True))))
        await settle()
        person.fail(PromptTimeoutError())
        with pytest.raises(PromptTimeoutError):
            await asking
    assert desk.denials == 1
    desk.lift_denials()
    assert desk.denials == 0
    for _ in range(2 * MAX_WITHDRAWN):
        flash = asyncio.create_task(desk.ask_pin(LOGIN))
        await settle()
        flash.cancel()
        await asyncio.gather(flash, return_exceptions=True)
        if desk.denials:
            desk.lift_denials()
    asking = asyncio.create_task(desk.confirm(CONSENT))
    await settle()
    person.answer(True)
    assert await asking


async def test_default_prompt_refuses_everything():
    prompt = RefusingPrompt()
    for question in (
        prompt.ask_pin(LOGIN),
        prompt.confirm(CONSENT),
        prompt.choose_card(CHOICE),
        prompt.inform(NO_TRAY),
    ):
        with pytest.raises(PromptUnavailableError):
            await question


async def refuse_once(desk, person, request):
    task = asyncio.create_task(desk.ask_pin(request))
    while not person.shown and not task.done():
        await asyncio.sleep(0)
    if person.shown:
        person.fail(PromptRefusedError())
    with pytest.raises(PromptRefusedError):
        await task


async def test_closing_the_window_of_ones_own_errand_refuses_nobody_a_few_times(desk, person):
    for _ in range(MAX_WITHDRAWN):
        await refuse_once(desk, person, CHANGE)
    assert desk.denials == 0
    await refuse_once(desk, person, CHANGE)
    assert desk.denials == 1
    seen = person.seen
    await refuse_once(desk, person, CHANGE)
    assert person.seen == seen


async def test_a_pages_errand_is_refused_like_anything_else(desk, person):
    await refuse_once(desk, person, replace(CHANGE, asker=LOGIN.asker))
    assert desk.denials == 1


async def test_a_question_that_ends_with_its_card_was_taken_back_by_nobody(desk, person):
    for _ in range(3 * MAX_WITHDRAWN):
        task = asyncio.create_task(desk.ask_pin(LOGIN))
        while not person.shown:
            await asyncio.sleep(0)
        task.cancel(CARD_GONE)
        with pytest.raises(asyncio.CancelledError):
            await task
    assert desk.denials == 0
