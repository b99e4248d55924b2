"""A desk with an agent in this process, and programs that call PKCS#11 without a socket between."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.agent import Person, RunningAgent, running_agent

from agent.api.context import Services
from agent.daemon import Daemon
from agent.door import cryptoki as ck
from agent.door.application import Application
from agent.door.calls import CALLS, HANDSHAKE
from agent.door.codec import Codec
from agent.door.context import DaemonParts, DoorServices
from agent.door.program import Program
from agent.door.values import Attribute, AttributeRoom, CryptokiError, Mechanism, PssParameters, Request
from drivers.base import Readers

BY_NAME = {call.name: call for call in CALLS.values()}
MANY = 64


@dataclass
class Guest(Program):
    """A program as the system might tell of it."""

    path: str = "/usr/bin/guest"
    user: str = "somebody"
    pid: int = 1

    def name(self) -> str:
        return self.path


@dataclass
class Caller:
    """A program's side: calls by name, the answers checked to be what the wire takes."""

    application: Application
    codec: Codec = field(default_factory=lambda: Codec(modern=True))

    async def call(self, name: str, *arguments: Any) -> Any:
        """The one value of the response, or all of them as a tuple."""
        call = BY_NAME[name]
        values = await self.application.call(Request(call, arguments))
        assert self.codec.write_response(call, values)
        return values[0] if len(values) == 1 else values

    async def refusal(self, name: str, *arguments: Any) -> int:
        """The CKR_ with which a call ends."""
        try:
            await self.call(name, *arguments)
        except CryptokiError as error:
            return error.rv
        return ck.CKR_OK

    async def initialize(self) -> None:
        await self.call("Initialize", HANDSHAKE, 0, None)

    async def slots(self, *, present: bool = True) -> list[int]:
        return list(await self.call("GetSlotList", int(present), MANY))

    async def session(self, slot: int | None = None, flags: int = ck.CKF_SERIAL_SESSION) -> int:
        if slot is None:
            slot = (await self.slots())[0]
        return int(await self.call("OpenSession", slot, flags))

    async def find(self, session: int, **template: Any) -> list[int]:
        """Handles by attributes: `find(session, CLASS=3, ID=b"…")`."""
        wanted = tuple(Attribute(getattr(ck, f"CKA_{name}"), value) for name, value in template.items())
        await self.call("FindObjectsInit", session, wanted)
        found = await self.call("FindObjects", session, MANY)
        await self.call("FindObjectsFinal", session)
        return list(found)

    async def read(self, session: int, handle: int, *types: int) -> list[Any]:
        """Values of attributes, None where there is none."""
        answer = await self.call(
            "GetAttributeValue", session, handle, tuple(AttributeRoom(kind, 1 << 16) for kind in types)
        )
        return [attribute.value for attribute in answer.attributes]

    async def private_key(self, session: int, label: str = "CPS_PRIV_AUT") -> int:
        (handle,) = await self.find(session, CLASS=ck.CKO_PRIVATE_KEY, LABEL=label.encode())
        return handle

    async def sign(self, session: int, key: int, mechanism: Mechanism, data: bytes) -> bytes:
        await self.call("SignInit", session, mechanism, key)
        return bytes(await self.call("Sign", session, data, 4096))


@dataclass
class DoorDesk:
    """The agent and what its door stands on."""

    agent: RunningAgent
    served: DoorServices
    services: Services
    person: Person

    def program(self, path: str = "/usr/bin/guest", *, modern: bool = True) -> Caller:
        """A program that has not called C_Initialize."""
        return Caller(Application(Guest(path), self.served, modern))

    async def guest(self, path: str = "/usr/bin/guest", *, modern: bool = True) -> Caller:
        """A program that has."""
        caller = self.program(path, modern=modern)
        await caller.initialize()
        return caller


@contextlib.asynccontextmanager
async def door_desk(folder: Path, person: Person, readers: Readers, **settings: Any) -> AsyncIterator[DoorDesk]:
    """An agent with these readers; what it is made of can be looked at."""
    seen: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        wire = Daemon._wire

        async def wire_and_show(self: Daemon, database: Any, stack: Any) -> Services:
            served = await wire(self, database, stack)
            seen.extend((served, database))
            return served

        patch.setattr(Daemon, "_wire", wire_and_show)
        async with running_agent(folder, person, readers, **settings) as agent:
            services, database = seen
            parts = DaemonParts(
                services.cards,
                services.uses,
                services.consents,
                services.journal,
                database,
                lambda error: type(error).__name__,
            )
            yield DoorDesk(agent, parts.open_services(), services, person)


def pss(kind: int, hash_mechanism: int = ck.CKM_SHA256, mgf: int = ck.CKG_MGF1_SHA256, salt: int = 32) -> Mechanism:
    return Mechanism(kind, PssParameters(hash_mechanism, mgf, salt))


def rooms(*asked: tuple[int, int]) -> Sequence[AttributeRoom]:
    return tuple(AttributeRoom(kind, room) for kind, room in asked)
