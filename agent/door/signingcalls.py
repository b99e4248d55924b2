"""C_SignInit to C_SignFinal (PKCS #11 v2.40 §5.11)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from agent.door import cryptoki as ck
from agent.door.context import DoorServices
from agent.door.mechanisms import Signing
from agent.door.objects import DoorObject, Objects
from agent.door.program import Program
from agent.door.sessions import Session, Sessions
from agent.door.values import CryptokiError, Handler, Mechanism, Size
from drivers.base import Digest
from drivers.errors import CardRemovedError

APART = 256 * 1024
"""Bytes; to hash more takes longer than other programs should wait (about 0.2 ms)."""


@dataclass(slots=True)
class Operation:
    """A signature that was begun; `in_parts`: C_SignUpdate was called."""

    signing: Signing
    key: DoorObject
    in_parts: bool = False


class SigningCalls:
    """Signatures. To learn their size asks nobody and ends nothing; the person is asked when one is made."""

    def __init__(self, program: Program, served: DoorServices, sessions: Sessions, objects: Objects) -> None:
        self._program = program
        self._keys = served.keys
        self._sessions = sessions
        self._objects = objects
        self.handlers: Mapping[str, Handler] = {
            "SignInit": self.begin,
            "Sign": self.sign,
            "SignUpdate": self.update,
            "SignFinal": self.finish,
        }

    async def begin(self, handle: int, mechanism: Mechanism, key: int) -> tuple[object, ...]:
        """The NULL mechanism ends what was begun (PKCS #11 v3.0 §5.13.1)."""
        async with self._sessions.use(handle) as session:
            if mechanism.type is None:
                session.signing = None
                return ()
            if session.signing is not None:
                raise CryptokiError(ck.CKR_OPERATION_ACTIVE)
            found = self._find_key(session, key)
            if found.key is None:
                raise CryptokiError(ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
            session.signing = Operation(Signing(mechanism, found.key), found)
        return ()

    def _find_key(self, session: Session, handle: int) -> DoorObject:
        try:
            found = self._objects.find(session.token, handle)
        except CryptokiError as error:
            raise CryptokiError(ck.CKR_KEY_HANDLE_INVALID) from error
        if found.attributes[ck.CKA_CLASS] not in (ck.CKO_PRIVATE_KEY, ck.CKO_PUBLIC_KEY):
            raise CryptokiError(ck.CKR_KEY_HANDLE_INVALID)
        return found

    async def sign(self, handle: int, data: bytes | None, room: int | None) -> tuple[object, ...]:
        """The signature of all the data, or its size where it has no room; only the former ends the operation."""
        async with self._sessions.use(handle) as session:
            operation = _begun(session)
            if operation.in_parts:
                session.signing = None
                raise CryptokiError(ck.CKR_OPERATION_ACTIVE)
            if not _fits(operation, room):
                return (Size(operation.signing.size),)
            session.signing = None
            return (await self._make(session, operation, await _digest(operation, data or b"")),)

    async def update(self, handle: int, data: bytes | None) -> tuple[object, ...]:
        """More of the data, for a mechanism that hashes; a failure ends the operation."""
        async with self._sessions.use(handle) as session:
            operation = _begun_in_parts(session)
            operation.in_parts = True
            await _hash(operation, data or b"")
        return ()

    async def finish(self, handle: int, room: int | None) -> tuple[object, ...]:
        """The signature of what came in parts, or its size where it has no room."""
        async with self._sessions.use(handle) as session:
            operation = _begun_in_parts(session)
            if not _fits(operation, room):
                return (Size(operation.signing.size),)
            session.signing = None
            return (await self._make(session, operation, operation.signing.digest()),)

    async def _make(self, session: Session, operation: Operation, digest: Digest) -> bytes:
        """Ask, sign. A software key that is gone is no token that is gone."""
        key, card = operation.key.key, operation.key.card
        if key is None:
            raise CryptokiError(ck.CKR_KEY_HANDLE_INVALID)
        try:
            return await session.work.run(self._keys.sign(self._program, card, key.role, digest))
        except CardRemovedError as error:
            if session.token.is_here and not session.token.is_hardware:
                raise CryptokiError(ck.CKR_KEY_HANDLE_INVALID) from error
            raise


def _begun(session: Session) -> Operation:
    if session.signing is None:
        raise CryptokiError(ck.CKR_OPERATION_NOT_INITIALIZED)
    return session.signing


def _begun_in_parts(session: Session) -> Operation:
    operation = _begun(session)
    if not operation.signing.takes_parts:
        session.signing = None
        raise CryptokiError(ck.CKR_OPERATION_NOT_INITIALIZED)
    return operation


def _fits(operation: Operation, room: int | None) -> bool:
    return room is not None and room >= operation.signing.size


async def _digest(operation: Operation, data: bytes) -> Digest:
    if not operation.signing.takes_parts:
        return operation.signing.digest(data)
    await _hash(operation, data)
    return operation.signing.digest()


async def _hash(operation: Operation, data: bytes) -> None:
    if len(data) > APART:
        await asyncio.to_thread(operation.signing.update, data)
    else:
        operation.signing.update(data)
