"""The child `_signing`: it reads documents and writes signatures, and has neither codes nor keys.

A document that crashes a parser costs this process alone. It answers one order after another until its input ends.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from agent.people.hardening import confine
from agent.signing.documents import Document
from agent.signing.errors import SigningError, WorkshopError
from agent.signing.kinds import load_kind
from agent.signing.messages import (
    Answer,
    Check,
    Checked,
    Complete,
    Completed,
    Failed,
    Made,
    Order,
    Prepare,
    Prepared,
    Refusal,
    read_heads,
    receive,
    write_message,
)
from agent.signing.preparation import Unsigned

MEMORY: Final = 2 * 1024**3
log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


def main() -> int:
    """Work until the input ends. Gives the exit code."""
    confine(MEMORY)
    work = Work()
    while (received := receive(sys.stdin.buffer, Order)) is not None:
        answer, contents = work.answer(*received)
        for piece in write_message(answer, contents):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    return 0


class Work:
    """The signatures that wait for their values, between two orders."""

    def __init__(self) -> None:
        self._waiting: deque[Unsigned] = deque()

    def answer(self, order: Order, blobs: Sequence[bytes]) -> tuple[Answer, list[bytes]]:
        """Do what is ordered, or say why not."""
        try:
            if isinstance(order, Check):
                return _check(order, blobs), []
            if isinstance(order, Prepare):
                return self._prepare(order, blobs), []
            return self._complete(order)
        except Exception as error:  # noqa: BLE001 - the edge: libraries meet documents that nobody foresaw
            name, message = _explain(error)
            return Failed(error=name, message=message, document=getattr(error, "document", None)), []

    def _prepare(self, order: Prepare, blobs: Sequence[bytes]) -> Prepared:
        kind = load_kind(order.kind)
        terms = msgspec.json.decode(order.terms, type=kind.TERMS)
        documents = read_heads(order.documents, blobs)
        if not order.go_on:
            self._waiting.clear()

        def prepare(documents: Sequence[Document]) -> list[tuple[Unsigned, Made]]:
            return [(each, _describe(each)) for each in kind.prepare(documents, terms, order.signer, order.outside)]

        if order.apart:
            each, refused = _do_apart([[document] for document in documents], lambda one: _only(prepare(one)))
        else:
            each, refused = prepare(documents), ()
        self._waiting.extend(unsigned for unsigned, _ in each)
        return Prepared(made=tuple(made for _, made in each), refused=refused)

    def _complete(self, order: Complete) -> tuple[Completed, list[bytes]]:
        pairs = [(self._waiting.popleft(), value) for value in order.values]
        if order.apart:
            contents, refused = _do_apart(pairs, lambda pair: pair[0].complete(pair[1]))
            return Completed(refused=refused), contents
        self._waiting.clear()
        return Completed(), [unsigned.complete(value) for unsigned, value in pairs]


def _check(order: Check, blobs: Sequence[bytes]) -> Checked:
    kind = load_kind(order.kind)
    terms = msgspec.json.decode(order.terms, type=kind.TERMS)
    documents = read_heads(order.documents, blobs)
    if order.apart:
        _, refused = _do_apart(documents, lambda document: kind.check([document], terms, order.outside))
        return Checked(refused=refused)
    kind.check(documents, terms, order.outside)
    return Checked()


def _do_apart(items: Sequence[T], work: Callable[[T], R]) -> tuple[list[R], tuple[Refusal, ...]]:
    """Do each by itself: what was made, and what was refused with its place."""
    made: list[R] = []
    refused: list[Refusal] = []
    for place, item in enumerate(items):
        try:
            made.append(work(item))
        except Exception as error:  # noqa: BLE001 - as above: one document costs the others nothing
            refused.append(Refusal(place, *_explain(error)))
    return made, tuple(refused)


def _explain(error: Exception) -> tuple[str, str]:
    """The name of a SigningError and its message, for whatever went wrong."""
    if isinstance(error, SigningError):
        return type(error).__name__, str(error)
    if isinstance(error, ImportError | NameError):  # no document is to blame
        return WorkshopError.__name__, f"a part of the agent is missing: {error}"
    log.warning("a signature failed: %s", type(error).__name__)
    return "DocumentRefusedError", f"it cannot be read ({type(error).__name__})"


def _only(made: Sequence[T]) -> T:
    (one,) = made
    return one


def _describe(unsigned: Unsigned) -> Made:
    digest = hashlib.new(unsigned.hash_name, unsigned.to_sign).digest()
    return Made(unsigned.name, unsigned.media_type, unsigned.hash_name, digest)
