"""The child `_signing`: it reads documents and writes signatures, and has neither codes nor keys.

A document that crashes a parser costs this process alone. It answers one order after another until its input ends.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Sequence
from typing import Final

import msgspec

from agent.signing.errors import SigningError
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
    read_heads,
    receive,
    write_message,
)
from agent.signing.preparation import Unsigned

MEMORY: Final = 2 * 1024**3
log = logging.getLogger(__name__)


def main() -> int:
    """Work until the input ends. Gives the exit code."""
    _limit_self()
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
        self._waiting: list[Unsigned] = []

    def answer(self, order: Order, blobs: Sequence[bytes]) -> tuple[Answer, list[bytes]]:
        """Do what is ordered, or say why not."""
        try:
            if isinstance(order, Check):
                return _check(order, blobs), []
            if isinstance(order, Prepare):
                return self._prepare(order, blobs), []
            return Completed(), self._complete(order)
        except SigningError as error:
            return Failed(error=type(error).__name__, message=str(error), document=error.document), []
        except Exception as error:  # noqa: BLE001 - the edge: libraries meet documents that nobody foresaw
            log.warning("a signature failed: %s", type(error).__name__)
            return Failed(error="DocumentRefusedError", message=f"it cannot be read ({type(error).__name__})"), []

    def _prepare(self, order: Prepare, blobs: Sequence[bytes]) -> Prepared:
        kind = load_kind(order.kind)
        terms = msgspec.json.decode(order.terms, type=kind.TERMS)
        documents = read_heads(order.documents, blobs)
        self._waiting = list(kind.prepare(documents, terms, order.signer, order.outside))
        return Prepared(made=tuple(map(_describe, self._waiting)))

    def _complete(self, order: Complete) -> list[bytes]:
        waiting, self._waiting = self._waiting, []
        return [unsigned.complete(value) for unsigned, value in zip(waiting, order.values, strict=True)]


def _check(order: Check, blobs: Sequence[bytes]) -> Checked:
    kind = load_kind(order.kind)
    kind.check(read_heads(order.documents, blobs), msgspec.json.decode(order.terms, type=kind.TERMS), order.outside)
    return Checked()


def _describe(unsigned: Unsigned) -> Made:
    digest = hashlib.new(unsigned.hash_name, unsigned.to_sign).digest()
    return Made(unsigned.name, unsigned.media_type, unsigned.hash_name, digest)


def _limit_self() -> None:
    from agent.people.hardening import forbid_core_dumps  # noqa: PLC0415

    forbid_core_dumps()
    if sys.platform == "linux":
        import resource  # noqa: PLC0415 - Unix

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
