"""A batch: documents fixed up front, and how far each has come. Pure state: no card, no process, no clock."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from agent.access.callers import Caller
from agent.signing.batch_errors import (
    BatchIncompleteError,
    BatchStateError,
    BatchUnsignedError,
    DigestMismatchError,
)
from agent.signing.documents import Document, Signature
from agent.signing.preparation import SignatureTerms
from agent.signing.words import RULES, Packaging, Scheme

ID_BYTES = 16


class BatchState(StrEnum):
    """Where a batch stands; `ASKING`: documents are looked at, then the person is asked."""

    WAITING = "waiting"
    ASKING = "asking"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


ACTIVE = frozenset({BatchState.ASKING, BatchState.RUNNING})


class ItemState(StrEnum):
    """Where a document stands: its content is missing, it can be signed, it is, or it never will be."""

    MISSING = "missing"
    READY = "ready"
    SIGNED = "signed"
    FAILED = "failed"


@dataclass(slots=True)
class Item:
    """One document of a batch with its terms.

    `failure`: what refused it, or what went wrong at the last try. `crashes`: how many workers ended over it.
    """

    document: Document
    terms: SignatureTerms
    declared_size: int | None = None
    signature: Signature | None = None
    failure: Exception | None = None
    crashes: int = 0
    failed: bool = False

    @property
    def needs_content(self) -> bool:
        """Whether the signature holds the content, or stands in it: its hash is not enough."""
        return self.terms.packaging is not Packaging.DETACHED or not RULES[self.terms.format].takes_digests

    @property
    def state(self) -> ItemState:
        """Where it stands."""
        if self.signature is not None:
            return ItemState.SIGNED
        if self.failed:
            return ItemState.FAILED
        if self.needs_content and self.document.content is None:
            return ItemState.MISSING
        return ItemState.READY

    @property
    def held(self) -> int:
        """How many bytes of it are in memory."""
        return len(self.document.content or b"") + (0 if self.signature is None else len(self.signature.content))

    def take(self, size: int, sha256: bytes, content: bytes | None) -> None:
        """Take the announced content; `content` only where it is needed. Raises DigestMismatchError."""
        if sha256 != self.document.sha256 or self.declared_size not in (None, size):
            raise DigestMismatchError
        self.document = replace(self.document, size=size, content=content)

    def finish(self, signature: Signature) -> None:
        """Keep its signature, and its content no longer: both of all documents would be too much."""
        self.signature, self.failure = signature, None
        self.document = replace(self.document, content=None)

    def withdraw(self, why: Exception) -> None:
        """Forget its signature: it can be signed again where its hash is enough."""
        self.signature = None
        if self.needs_content:
            self.fail(why)

    def fail(self, failure: Exception) -> None:
        """It is not tried again."""
        self.failure, self.failed = failure, True
        self.document = replace(self.document, content=None)


@dataclass(frozen=True, slots=True)
class Progress:
    """How many documents are signed, will never be, and are left."""

    signed: int
    failed: int
    left: int


@dataclass(slots=True, eq=False)
class Batch:
    """All documents of a batch, in the order of its manifest. `pause`: why it stands still.

    `certificate_der`, `card_number`: the first run's; no other card goes on with it.
    """

    owner: Caller
    items: Sequence[Item]
    scheme: Scheme
    label: str
    card_number: str | None = None
    certificate_der: bytes | None = None
    state: BatchState = BatchState.WAITING
    pause: Exception | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(ID_BYTES))

    @property
    def progress(self) -> Progress:
        """Count the documents."""
        states = [item.state for item in self.items]
        signed, failed = states.count(ItemState.SIGNED), states.count(ItemState.FAILED)
        return Progress(signed, failed, len(states) - signed - failed)

    @property
    def held(self) -> int:
        """How many bytes of it are in memory."""
        return sum(item.held for item in self.items)

    def left(self) -> list[Item]:
        """What can be signed, like terms together: so many fit into one order to the worker."""
        kinds: dict[SignatureTerms, list[Item]] = {}
        for item in self.items:
            if item.state is ItemState.READY:
                kinds.setdefault(item.terms, []).append(item)
        return [item for items in kinds.values() for item in items]

    def require_open(self) -> None:
        """Raise BatchStateError once it was started: the manifest and what belongs to it are fixed."""
        if self.state is not BatchState.WAITING:
            raise BatchStateError("contents are taken before the start")

    def require_startable(self) -> None:
        """Raise BatchStateError while it runs or when it is done, BatchIncompleteError without all contents."""
        if self.state not in (BatchState.WAITING, BatchState.PAUSED):
            raise BatchStateError(f"the batch is {self.state}")
        missing = sum(item.state is ItemState.MISSING for item in self.items)
        if missing:
            raise BatchIncompleteError(f"{missing} contents are missing")

    def signature(self, place: int) -> Signature:
        """The signature of a document. Raises BatchUnsignedError, also while a run goes on, or what it failed with."""
        item = self.items[place]
        if item.signature is not None and self.state not in ACTIVE:
            return item.signature
        if item.failed and item.failure is not None:
            raise item.failure
        raise BatchUnsignedError
