"""An application behind the door with one slot and no card, for what concerns sockets alone."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from support.p11_letters import BY_NAME, write_request

from agent.door.cryptoki import CKR_FUNCTION_NOT_SUPPORTED, CKR_SESSION_HANDLE_INVALID
from agent.door.program import Program
from agent.door.values import CryptokiError, Request

SLOT = 1
DEFECT = "a defect that quotes SECRET-1234"


@dataclass
class StandIn:
    """Opens applications, and remembers them. `on_wait`: what C_WaitForSlotEvent does before it answers; others alike."""

    on_wait: Callable[[], Awaitable[object]] = field(default_factory=lambda: asyncio.Event().wait)
    on_sign_update: Callable[[], Awaitable[object]] | None = None
    on_attributes: Callable[..., tuple[object, ...]] | None = None
    opened: list[StandInApplication] = field(default_factory=list)

    def open(self, program: Program, modern: bool) -> StandInApplication:
        self.opened.append(StandInApplication(self, program, modern))
        return self.opened[-1]


@dataclass
class StandInApplication:
    house: StandIn
    program: Program
    modern: bool
    sessions: set[int] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    initialized: bool = False
    closed: bool = False
    cancelled: int = 0

    async def call(self, request: Request) -> tuple[object, ...]:
        self.calls.append(request.call.name)
        answer = getattr(self, "_" + re.sub("(?<!^)([A-Z])", r"_\1", request.call.name).lower(), None)
        if answer is None:
            raise CryptokiError(CKR_FUNCTION_NOT_SUPPORTED)
        result = answer(*request.arguments)
        return await result if asyncio.iscoroutine(result) else result

    def close(self) -> None:
        self.closed = True

    def _initialize(self, *_: object) -> tuple[()]:
        self.initialized = True
        return ()

    def _finalize(self) -> tuple[()]:
        self.initialized = False
        return ()

    def _get_info(self) -> tuple[object, ...]:
        return (2, 40), b"stand-in".ljust(32), 0, b"stand-in".ljust(32), (1, 0)

    def _get_slot_list(self, *_: object) -> tuple[object, ...]:
        return ((SLOT,),)

    def _open_session(self, *_: object) -> tuple[object, ...]:
        handle = max(self.sessions, default=0) + 1
        self.sessions.add(handle)
        return (handle,)

    def _get_session_info(self, handle: int) -> tuple[object, ...]:
        if handle not in self.sessions:
            raise CryptokiError(CKR_SESSION_HANDLE_INVALID)
        return SLOT, 2, 4, 0

    def _logout(self, *_: object) -> tuple[()]:
        raise RuntimeError(DEFECT)

    async def _sign_update(self, *_: object) -> tuple[()]:
        if self.house.on_sign_update is not None:
            await self.house.on_sign_update()
        return ()

    def _get_attribute_value(self, *arguments: object) -> tuple[object, ...]:
        assert self.house.on_attributes is not None
        return self.house.on_attributes(*arguments)

    async def _wait_for_slot_event(self, *_: object) -> tuple[object, ...]:
        try:
            await self.house.on_wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return (SLOT,)


def frame(code: int, name: str, *arguments: object) -> bytes:
    """A request as a client of version 0 writes it."""
    body = write_request(BY_NAME[name], arguments, modern=False)
    return struct.pack(">III", code, 0, len(body)) + body
