"""The window of a number, as long as it is of use."""

from __future__ import annotations

import asyncio

import pytest
from support.agent import Person

from agent.people.prompt import Asker, Notice, NoticeKind, NumberSummary, PromptUnavailableError
from agent.services.psc import ringing
from agent.services.psc.ringing import shown

NOTICE = Notice(NoticeKind.COMPARE_NUMBER, login=NumberSummary("07", Asker("/opt/cabinet"), "PSC", "899700002712"))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_closes_it_is_not_shown_it_again() -> None:
    person = Person()
    async with shown(person, NOTICE):
        await settle()
    assert person.told == [NOTICE]


async def test_a_window_that_closed_by_itself_is_shown_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ringing, "PROMPT_TIMEOUT_S", 0.0)
    person = Person()
    async with shown(person, NOTICE):
        await settle()
    assert person.told == [NOTICE, NOTICE]


async def test_nothing_depends_on_the_window() -> None:
    class Nobody(Person):
        async def inform(self, message: Notice) -> None:
            raise PromptUnavailableError

    async with shown(Nobody(), NOTICE):
        await settle()
