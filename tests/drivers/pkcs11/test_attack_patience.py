"""Attacks by a program that never lets go of the card: whoever looks at it again and again costs nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from drivers.base import CardSlot, Connection, Deadline
from drivers.errors import CardBusyError
from drivers.pkcs11.reader import CardReader


class KeptSlot(CardSlot):
    """A transaction never begins before the other program ends its own."""

    name = "kept"

    def __init__(self) -> None:
        self.let_go = threading.Event()

    @contextmanager
    def transaction(self, deadline: Deadline) -> Iterator[Connection]:
        self.let_go.wait()
        raise CardBusyError
        yield


def test_attack_looks_at_a_card_that_is_kept_leave_one_thread_behind() -> None:
    slot = KeptSlot()
    reader = CardReader(slot)
    for _ in range(10):
        with pytest.raises(CardBusyError):
            reader.look(Deadline(0.03))
    assert [thread.name for thread in threading.enumerate()].count("look kept") == 1
    slot.let_go.set()
