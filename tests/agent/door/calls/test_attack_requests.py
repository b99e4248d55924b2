"""A program that asks for anything, in any order: each call is answered or refused, and none of them is a defect."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest
from support.door_desk import BY_NAME, Caller, DoorDesk
from support.p11_letters import write_request

from agent.door import cryptoki as ck
from agent.door.letters import split_letters
from agent.door.templates import BOOLEANS, DATES, MECHANISM_LISTS, NUMBERS
from agent.door.values import Attribute, AttributeRoom, AttributeValue, Call, CryptokiError, Mechanism, PssParameters

CALLS_MADE = 10_000
NUMBERS_SENT = (*range(24), 64, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
BYTES_SENT = (None, b"", b"\0", bytes(19), bytes(20), bytes(32), bytes(51), bytes(256), bytes(257), b"CPS_PRIV_AUT")
ROOMS_SENT = (None, 0, 1, 4, 8, 255, 256, 4096, 2**32 - 1)
TYPES_SENT = (
    *sorted(value for name, value in vars(ck).items() if name.startswith("CKA_")),
    *(0x80000000, 0xCE536358, 0xFFFFFFFF),
)  # fmt: skip
MECHANISMS_SENT = (
    *[ck.CKM_RSA_PKCS, ck.CKM_SHA256_RSA_PKCS] * 10,
    *sorted(value for name, value in vars(ck).items() if name.startswith("CKM_")),
    0,
    0x1087,
    2**32 - 2,
)


SELDOM = ("Initialize", "Finalize", "CloseSession", "CloseAllSessions")
OFTEN = ("SignInit", "Sign", "SignUpdate", "SignFinal", "FindObjectsInit", "FindObjects", "GetAttributeValue")
WEIGHTS = [1 if name in SELDOM else 60 if name in OFTEN else 10 for name in BY_NAME]


class Hostile:
    """Makes requests out of what a call's letters allow; `handles`, `objects`: numbers that mean something."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.handles: list[int] = []
        self.objects: list[int] = []

    def call(self) -> tuple[Call, bytes]:
        """A call, and its message as an old or a new client writes it."""
        (call,) = self._random.choices(list(BY_NAME.values()), WEIGHTS)
        letters = split_letters(call.request)
        arguments = tuple(self._argument(letter, first=index == 0) for index, letter in enumerate(letters))
        if call.name == "WaitForSlotEvent":
            arguments = (arguments[0] | ck.CKF_DONT_BLOCK,)
        return call, write_request(call, arguments, modern=True)

    def _argument(self, letter: str, *, first: bool) -> Any:
        one = self._random.choice
        return {
            "y": lambda: one(range(256)),
            "u": lambda: one(NUMBERS_SENT if one(range(5)) == 0 else self.handles if first else self.objects),
            "ay": lambda: one(BYTES_SENT),
            "fy": lambda: one(ROOMS_SENT),
            "fu": lambda: one(ROOMS_SENT),
            "aA": lambda: tuple(self._attributes()),
            "fA": lambda: tuple(AttributeRoom(one(TYPES_SENT), one(ROOMS_SENT) or 0) for _ in range(one(range(12)))),
            "M": self._mechanism,
        }[letter]()

    def _attributes(self) -> Iterator[Attribute]:
        for _ in range(self._random.choice(range(4))):
            kind = self._random.choice(TYPES_SENT)
            yield Attribute(kind, self._random.choice((None, self._value(kind))))

    def _value(self, kind: int) -> AttributeValue:
        if kind in BOOLEANS:
            return self._random.choice((False, True))
        if kind in NUMBERS:
            return self._random.choice(NUMBERS_SENT)
        if kind in MECHANISM_LISTS:
            return (1, 2, 3)
        return b"20261126" if kind in DATES else self._random.choice(BYTES_SENT) or b""

    def _mechanism(self) -> Mechanism:
        number = self._random.choice
        parameter = number(
            (None, b"\1\2", PssParameters(*(number((*MECHANISMS_SENT, *NUMBERS_SENT)) for _ in range(3))))
        )
        return number(
            (Mechanism(None), Mechanism(number(MECHANISMS_SENT)), Mechanism(number(MECHANISMS_SENT), parameter))
        )


async def perform(caller: Caller, call: Call, message: bytes) -> int:
    """What comes of a message; its answer can be written. Raises whatever is a defect."""
    try:
        values = await caller.application.call(caller.codec.read_request(message))
    except CryptokiError as error:
        return error.rv
    assert caller.codec.write_response(call, values)
    return ck.CKR_OK


async def look_around(caller: Caller, hostile: Hostile) -> None:
    """Learn the slots, two sessions, and the objects."""
    slots = await caller.slots(present=False)
    sessions = [await caller.session() for _ in range(2)]
    objects, keys = await caller.find(sessions[0]), await caller.find(sessions[0], CLASS=ck.CKO_PRIVATE_KEY)
    hostile.handles, hostile.objects = [*slots, sessions[0], *sessions[1:] * 12], [*objects, *keys * 8]


@pytest.mark.parametrize("seed", range(3))
async def test_attack_any_calls_in_any_order(desk: DoorDesk, seed: int) -> None:
    desk.person.agrees = False
    caller, hostile, outcomes = await desk.guest(), Hostile(seed), dict[str, set[int]]()
    for number in range(CALLS_MADE):
        if not caller.application.initialized:
            await caller.initialize()
        if number % 50 == 0:
            await look_around(caller, hostile)
        call, message = hostile.call()
        outcomes.setdefault(call.name, set()).add(await perform(caller, call, message))
    assert all(ck.CKR_OK in outcomes[name] for name in OFTEN if name != "SignFinal")
    assert ck.CKR_GENERAL_ERROR not in set().union(*outcomes.values())


async def test_attack_all_at_once_and_gone(desk: DoorDesk) -> None:
    """Two hundred calls under way, and the program is gone: nothing goes on for it, and another one is served."""
    desk.person.agrees = False
    caller, hostile = await desk.guest(), Hostile(7)
    await look_around(caller, hostile)
    calls = [asyncio.create_task(perform(caller, *hostile.call())) for _ in range(200)]
    await asyncio.sleep(0)
    for task in calls:
        task.cancel()
    caller.application.close()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [end for end in ended if isinstance(end, Exception)] == []
    other = await desk.guest("/usr/bin/other")
    assert await other.find(await other.session(), CLASS=ck.CKO_PRIVATE_KEY)
