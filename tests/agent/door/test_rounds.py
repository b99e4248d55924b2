"""What waits for one key together is done together, and nobody's result is anybody else's."""

from __future__ import annotations

import asyncio
from itertools import chain

import pytest

from agent.door.rounds import MAX_WAITING, Rounds
from agent.people.prompt import DeskBusyError, PromptRefusedError


class Work:
    """Doubles numbers once it is let go; remembers its rounds."""

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.go = asyncio.Event()
        self.cancelled = 0
        self.errors: list[Exception] = []

    async def __call__(self, items: list[int]) -> list[int]:
        self.rounds.append(items)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.errors:
            raise self.errors.pop()
        return [item * 2 for item in items]


@pytest.fixture
def work() -> Work:
    return Work()


def join(rounds: Rounds, work: Work, item: int, *, key: str = "key", most: int = 3) -> asyncio.Task[int]:
    return asyncio.create_task(rounds.join(key, item, work, most))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_those_who_come_during_a_round_are_the_next_ones(work):
    rounds = Rounds()
    tasks = [join(rounds, work, item) for item in range(8)]
    await settle()
    work.go.set()
    assert await asyncio.gather(*tasks) == [item * 2 for item in range(8)]
    assert all(len(each) <= 3 for each in work.rounds)
    assert [*chain(*work.rounds)] == list(range(8))


async def test_one_at_a_time_where_each_is_to_be_asked_for(work):
    rounds = Rounds()
    tasks = [join(rounds, work, item, most=1) for item in range(4)]
    work.go.set()
    await asyncio.gather(*tasks)
    assert work.rounds == [[0], [1], [2], [3]]


async def test_keys_do_not_wait_for_each_other(work):
    rounds, other = Rounds(), Work()
    stuck = join(rounds, work, 1)
    other.go.set()
    assert await join(rounds, other, 2, key="other") == 4
    work.go.set()
    assert await stuck == 2


async def test_an_error_is_for_those_of_its_round_alone(work):
    rounds = Rounds()
    work.errors = [PromptRefusedError()]
    first = join(rounds, work, 1)
    await settle()
    second = join(rounds, work, 2)
    await settle()
    work.go.set()
    with pytest.raises(PromptRefusedError):
        await first
    assert await second == 4


async def test_a_round_that_nobody_waits_for_is_taken_back_and_the_next_one_begins(work):
    rounds = Rounds()
    first = [join(rounds, work, item) for item in (1, 2)]
    await settle()
    later = join(rounds, work, 3)
    await settle()
    for task in first:
        task.cancel()
    await asyncio.wait(first)
    await settle()
    assert work.cancelled == 1
    work.go.set()
    assert await later == 6


async def test_one_who_leaves_takes_nothing_from_the_others(work):
    rounds = Rounds()
    hold = join(rounds, work, 0)
    await settle()
    leaving, staying, waiting = (join(rounds, work, item) for item in (1, 2, 3))
    await settle()
    leaving.cancel()
    await settle()
    work.go.set()
    assert await asyncio.gather(hold, staying, waiting) == [0, 4, 6]
    assert 1 not in [*chain(*work.rounds)]


async def test_nothing_is_left_behind(work):
    rounds = Rounds()
    work.go.set()
    await asyncio.gather(*(join(rounds, work, item, key=str(item)) for item in range(20)))
    await settle()
    assert not rounds._lines


async def test_attack_a_flood_is_told_so(work):
    rounds = Rounds()
    tasks = [join(rounds, work, item) for item in range(MAX_WAITING + 10)]
    await settle()
    refused = [task for task in tasks if task.done()]
    assert refused
    assert all(isinstance(task.exception(), DeskBusyError) for task in refused)
    work.go.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(not isinstance(each, Exception) for each in done) == len(tasks) - len(refused)


async def test_attack_those_who_have_left_keep_nobody_out(work):
    """A program fills the line and takes all of it back while the person is asked."""
    rounds = Rounds()
    hold = join(rounds, work, 0)
    await settle()
    left = [join(rounds, work, item) for item in range(1, MAX_WAITING + 1)]
    await settle()
    for task in left:
        task.cancel()
    await asyncio.wait(left)
    other = join(rounds, work, 7)
    await settle()
    work.go.set()
    assert await asyncio.gather(hold, other) == [0, 14]


async def test_who_comes_back_at_once_goes_with_those_who_wait(work):
    """Or programs side by side would be asked for in two groups for ever."""
    rounds = Rounds()

    async def program(number: int) -> None:
        for turn in range(3):
            await join(rounds, work, 10 * number + turn)

    programs = [asyncio.create_task(program(0))]
    await settle()
    programs += [asyncio.create_task(program(number)) for number in (1, 2)]
    await settle()
    work.go.set()
    await asyncio.gather(*programs)
    assert work.rounds == [[0], [10, 20, 1], [11, 21, 2], [12, 22]]
