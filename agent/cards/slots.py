"""One thread per reader slot: its queue is the lock, and a call that blocks for good costs that call alone."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from drivers.base import Deadline, Slot
from drivers.errors import CardBusyError, DriverError

T = TypeVar("T")

GRACE_S = 0.5  # a driver that minds its deadline says better than we what went wrong
Job = Callable[[Slot], None]


class CardStuckError(CardBusyError):
    """A call did not come back from the card in time: nobody knows what was done."""


class SlotQueue:
    """Run work on a slot, one after the other, from the event loop.

    A PC/SC call cannot be cancelled: when one outlives its deadline, its thread and its slot are left behind and
    others take their place; `on_replaced` is told, since what was opened on the old slot is gone.
    """

    def __init__(self, name: str, open_slot: Callable[[], Slot], on_replaced: Callable[[], None]) -> None:
        self.name = name
        self._open_slot = open_slot
        self._on_replaced = on_replaced
        self._worker = self._start()

    async def run(self, work: Callable[[Slot, Deadline], T], timeout_s: float) -> T:
        """Run `work` on the slot's thread. Raises CardBusyError, CardStuckError once begun, and its own errors."""
        deadline = Deadline(timeout_s)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        job = _job(work, deadline, future)
        worker = self._worker
        worker.jobs.put(job)
        try:
            return await asyncio.wait_for(future, timeout_s + GRACE_S)
        except TimeoutError:
            stuck = self._replace_if_stuck(worker, job)
            raise (CardStuckError if stuck else CardBusyError) from None
        finally:
            deadline.cancel()

    def close(self) -> None:
        """Let the thread end by itself; nobody waits for it."""
        self._worker.jobs.put(None)

    def _start(self) -> _Worker:
        worker = _Worker(self._open_slot())
        threading.Thread(target=worker.work, name=f"slot {self.name}", daemon=True).start()
        return worker

    def _replace_if_stuck(self, worker: _Worker, job: Job) -> bool:
        if worker is not self._worker or worker.running is not job:
            return False
        try:
            self._worker = self._start()
        except DriverError:  # its reader is gone: whoever waits is answered when the place is removed
            return True
        worker.hand_over(self._worker)
        self._on_replaced()
        return True


class _Worker:
    """A thread's share: the jobs that wait and the one that runs."""

    def __init__(self, slot: Slot) -> None:
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.running: Job | None = None
        self._slot = slot

    def work(self) -> None:
        while (job := self.jobs.get()) is not None:
            self.running = job
            job(self._slot)
            self.running = None

    def hand_over(self, successor: _Worker) -> None:
        """Give waiting jobs away and end after the running one."""
        while True:
            try:
                successor.jobs.put(self.jobs.get_nowait())
            except queue.Empty:
                self.jobs.put(None)
                return


def _job(work: Callable[[Slot, Deadline], T], deadline: Deadline, future: asyncio.Future[T]) -> Job:
    loop = future.get_loop()

    def resolve(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def job(slot: Slot) -> None:
        result, error = None, None
        try:
            deadline.check()
            result = work(slot, deadline)
        except Exception as raised:  # noqa: BLE001 - the edge of the thread: every error belongs to the caller
            error = raised
        _call_back(loop, resolve, result, error)

    return job


def _call_back(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:  # the loop is closed: a job outlived the agent
        return
