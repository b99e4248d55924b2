"""Tokens with keys in memory, one in each reader, at the seam where drivers stand: for certificates of any authority."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from drivers.base import (
    Deadline,
    Digest,
    KeyInfo,
    KeyRole,
    PinReader,
    PinStatus,
    Readers,
    ReaderState,
    Slot,
    Token,
    TokenSlot,
)
from drivers.card.signatures import HASHES
from drivers.errors import PinWrongError
from drivers.pin import Code, Pin

PIN = "1234"


class SoftToken(Token, PinReader):
    """A key with one certificate, lent for logins and for signatures; `number` names the token."""

    generation = "soft"
    access = "soft"

    def __init__(self, number: str, certificate_der: bytes, key: rsa.RSAPrivateKey) -> None:
        self.number = self.label = number
        self.keys = tuple(
            KeyInfo(role.encode(), role, role, certificate_der, frozenset({"sha256"})) for role in KeyRole
        )
        self._key = key

    def sign(self, key: KeyInfo, digests: Sequence[Digest], code: Code | None, deadline: Deadline) -> list[bytes]:
        assert isinstance(code, Pin)
        typed = bytearray()
        code.append_to(typed)
        if typed != PIN.encode():
            raise PinWrongError(2)
        hashed = [(digest.value, Prehashed(HASHES[digest.algorithm])) for digest in digests]
        return [self._key.sign(value, padding.PKCS1v15(), algorithm) for value, algorithm in hashed]

    def read_pin_status(self, deadline: Deadline) -> PinStatus:
        return PinStatus(3, verified=False)


class SoftSlot(TokenSlot):
    def __init__(self, token: SoftToken) -> None:
        self.name = token.number
        self._token = token

    def open_token(self, deadline: Deadline) -> Token:
        return self._token


class SoftReaders(Readers):
    """One reader for each token, by the token's number."""

    def __init__(self, tokens: Mapping[str, SoftToken]) -> None:
        self.tokens = dict(tokens)
        self._changed = threading.Condition()
        self._stopped = False

    def list_states(self) -> tuple[ReaderState, ...]:
        return tuple(ReaderState(name, b"", 1) for name in self.tokens)

    def wait_for_change(self, known: tuple[ReaderState, ...]) -> tuple[ReaderState, ...]:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self.list_states() != known)
        return self.list_states()

    def put(self, token: SoftToken) -> None:
        with self._changed:
            self.tokens[token.number] = token
            self._changed.notify_all()

    def take(self, number: str) -> None:
        with self._changed:
            del self.tokens[number]
            self._changed.notify_all()

    def open_slot(self, name: str) -> Slot:
        return SoftSlot(self.tokens[name])

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
