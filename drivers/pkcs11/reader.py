"""The PC/SC slot of a card that a module uses: looked at before a call, reset behind a code."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from drivers.base import CardSlot, Connection, Deadline
from drivers.errors import CardBusyError, CardRemovedError

T = TypeVar("T")

WAIT_S = 5.0
PATIENCE_S = 600.0


class CardReader:
    """A slot in short transactions, each in a thread of its own.

    Another program's transaction keeps ours waiting for good: the thread is left behind then, and whoever comes next
    waits for it in turn, without a thread of his own unless a reset is owed. A call through the module would tell
    nothing before its own, much longer time is over.
    """

    def __init__(self, slot: CardSlot) -> None:
        self.name = slot.name
        self._slot = slot
        self._turn = threading.Lock()

    def look(self, deadline: Deadline) -> tuple[bytes, int]:
        """ATR and event count. Raises what a transaction raises, CardBusyError after a few seconds."""
        deadline.check()
        waiting = Deadline(min(WAIT_S, deadline.remaining_s))
        if not self._turn.acquire(timeout=waiting.remaining_s):
            raise CardBusyError
        self._turn.release()
        try:
            return self._transact(lambda connection: (connection.atr, connection.events), waiting, waiting.remaining_s)
        finally:
            waiting.cancel()

    def reset(self, events: int | None) -> None:
        """Make the card forget what was verified, now or as soon as another program lets go of it.

        Raises what a transaction raises, CardBusyError when it is not done yet, CardRemovedError for another card.
        """

        def forget(connection: Connection) -> None:
            if connection.events != events:
                raise CardRemovedError
            connection.reset_at_end(True)

        self._transact(forget, Deadline(PATIENCE_S), WAIT_S)

    def _transact(self, work: Callable[[Connection], T], deadline: Deadline, wait_s: float) -> T:
        outcome: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

        def transact() -> None:
            try:
                with self._turn, self._slot.transaction(deadline) as connection:
                    result = work(connection)
            except BaseException as error:  # noqa: BLE001 - the edge of the thread: it belongs to the caller
                outcome.put((None, error))
            else:
                outcome.put((result, None))

        threading.Thread(target=transact, name=f"look {self.name}", daemon=True).start()
        try:
            result, error = outcome.get(timeout=wait_s)
        except queue.Empty:
            raise CardBusyError from None
        if error is not None:
            raise error
        return result  # type: ignore[return-value]
