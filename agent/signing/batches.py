"""The batches of this run of the agent: in memory alone, each its owner's, forgotten after an hour of rest.

Nothing of a batch is on the disk: a restart of the agent forgets it, and whoever made it can make it again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from agent.access.callers import Ability, Caller, CallerKind
from agent.access.consents import asker_of
from agent.access.errors import StoreError
from agent.access.grants import Grants
from agent.access.journal import OK, Journal, JournalEntry
from agent.cards.events import Event, EventBus, EventType
from agent.cards.uses import UseRecord, UseRequest
from agent.people.prompt import Action
from agent.signing.batch import ACTIVE, Batch, BatchState, Progress
from agent.signing.batch_errors import BatchNotFoundError, BatchRoomError, BatchStoppedError, TooManyBatchesError
from agent.signing.batchrun import BatchRun, make_sample
from agent.signing.signing import SigningDesk, describe_statement

ROOM: Final = 256 * 1024 * 1024
"""Bytes that all batches hold together, contents and signatures."""
MOST: Final = 8  # of one caller
MOST_RUNNING: Final = 2  # each takes a worker of the workshop, and others sign meanwhile
REST_S: Final = 3600.0
TELL_S: Final = 0.25
CANCELLED: Final = "cancelled"
DIGESTS: Final = "sign-batch-digests"
INTERNAL: Final = "internal-error"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What batches need of the agent. `name_failure`: the code of an error, as the API and the journal have it."""

    desk: SigningDesk
    grants: Grants
    journal: Journal
    events: EventBus
    name_failure: Callable[[Exception], str]


@dataclass(slots=True, eq=False)
class _Kept:
    batch: Batch
    rest: asyncio.TimerHandle
    run: BatchRun | None = None
    task: asyncio.Task[None] | None = None
    told_at: float = field(default=-TELL_S)


class Batches:
    """All batches; all methods run in the event loop."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._kept: dict[str, _Kept] = {}
        self._reading = 0

    def add(self, batch: Batch) -> None:
        """Keep a new batch. Raises TooManyBatchesError."""
        if len(self.list_for(batch.owner)) >= MOST:
            raise TooManyBatchesError
        self._kept[batch.id] = _Kept(batch, self._forget_later(batch.id))

    def find(self, owner: Caller, batch_id: str) -> Batch:
        """The caller's own batch of that id. Raises BatchNotFoundError."""
        kept = self._find(owner, batch_id)
        kept.rest.cancel()
        kept.rest = self._forget_later(batch_id)
        return kept.batch

    def list_for(self, owner: Caller) -> list[Batch]:
        """The caller's own, the oldest first."""
        return [kept.batch for kept in self._kept.values() if kept.batch.owner.key == owner.key]

    def reserve(self, size: int) -> None:
        """Count bytes that are being received, or no longer are. Raises BatchRoomError when there would be too many."""
        if size > 0 and self._held() + self._reading + size > ROOM:
            raise BatchRoomError
        self._reading += size

    def start(self, caller: Caller, batch_id: str) -> Batch:
        """Run it in the background, from the question on. Raises BatchStateError, BatchIncompleteError, and more."""
        kept = self._find(caller, batch_id)
        kept.batch.require_startable()
        running = [each.batch for each in self._kept.values() if each.batch.state in ACTIVE]
        if len(running) >= MOST_RUNNING or any(each.owner.key == caller.key for each in running):
            raise TooManyBatchesError("other batches run")
        batch = kept.batch
        batch.state, batch.pause = BatchState.ASKING, None
        kept.run = BatchRun(
            batch,
            self._around.desk,
            lambda: self._around.grants.require(caller, Ability.BATCH),
            lambda: self._tell(kept),
        )
        kept.task = asyncio.create_task(self._go(kept, kept.run, caller))
        self._tell(kept, at_once=True)
        return batch

    async def cancel(self, owner: Caller, batch_id: str) -> None:
        """Stop it, and forget it with all that it has made. Raises BatchNotFoundError."""
        kept = self._find(owner, batch_id)
        del self._kept[batch_id]
        kept.rest.cancel()
        await _end(kept)
        kept.batch.state = BatchState.CANCELLED
        self._tell(kept, at_once=True)

    async def stop(self, owner: Caller, batch_id: str) -> Batch:
        """Pause it: before its next transaction, or at once while the person is asked. Raises BatchNotFoundError."""
        kept = self._find(owner, batch_id)
        if kept.run is not None and kept.batch.state is BatchState.RUNNING:
            kept.run.stop()
        elif kept.batch.state is BatchState.ASKING:
            await _end(kept)
            kept.run, kept.batch.state, kept.batch.pause = None, BatchState.PAUSED, BatchStoppedError()
            self._tell(kept, at_once=True)
        return kept.batch

    def stop_running(self, caller: Caller | None = None) -> int:
        """Pause what signs: all of it, or what the caller may stop: a page its own, a program of this user all.

        Gives the number.
        """
        running = [
            kept.run
            for kept in self._kept.values()
            if kept.run is not None and kept.batch.state is BatchState.RUNNING and _may_stop(caller, kept.batch.owner)
        ]
        for run in running:
            run.stop()
        return len(running)

    async def close(self) -> None:
        """End all of them."""
        kept, self._kept = list(self._kept.values()), {}
        for each in kept:
            each.rest.cancel()
            await _end(each)

    async def _go(self, kept: _Kept, run: BatchRun, caller: Caller) -> None:
        """One run and its entry in the journal: before that is written, no signature is handed out."""
        batch, failure = kept.batch, None
        entry = _Entry(batch, caller)
        try:
            await self._sign(batch, run, caller, entry.record)
        except asyncio.CancelledError:
            await asyncio.shield(self._around.journal.record(entry.write(CANCELLED)))
            raise
        except Exception as error:  # noqa: BLE001 - the edge of a task: whatever stops a batch is told by its state
            failure = error
        failure = await self._note(entry, failure)
        kept.run = None
        batch.state = BatchState.DONE if failure is None else BatchState.PAUSED
        batch.pause = failure
        self._tell(kept, at_once=True)

    async def _sign(self, batch: Batch, run: BatchRun, caller: Caller, record: UseRecord) -> None:
        await run.check()
        await run.sign(_describe(batch, caller, record))

    async def _note(self, entry: _Entry, failure: Exception | None) -> Exception | None:
        """Write the entry; what cannot be noted has not happened. Gives why the batch stands still, if it does."""
        told = failure or entry.find_refusal()
        outcome = OK if told is None else self._around.name_failure(told)
        if outcome == INTERNAL:
            log.error("a batch failed", exc_info=failure)
        try:
            await asyncio.shield(self._around.journal.record(entry.write(outcome)))
        except StoreError as error:
            log.error("the journal cannot be written: %s", error)  # noqa: TRY400 - one line is what a reader needs
            entry.withdraw(error)
            return error
        return failure

    def _find(self, owner: Caller, batch_id: str) -> _Kept:
        kept = self._kept.get(batch_id)
        if kept is None or kept.batch.owner.key != owner.key:
            raise BatchNotFoundError
        return kept

    def _held(self) -> int:
        return sum(kept.batch.held for kept in self._kept.values())

    def _forget_later(self, batch_id: str) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(REST_S, self._forget, batch_id)

    def _forget(self, batch_id: str) -> None:
        kept = self._kept[batch_id]
        if kept.batch.state in ACTIVE:
            kept.rest = self._forget_later(batch_id)
        else:
            del self._kept[batch_id]

    def _tell(self, kept: _Kept, *, at_once: bool = False) -> None:
        """Publish how far it is, not more often than somebody can look."""
        batch, now = kept.batch, time.monotonic()
        if not at_once and now - kept.told_at < TELL_S:
            return
        kept.told_at = now
        self._around.events.publish(
            Event(
                EventType.BATCH_PROGRESS,
                code=str(batch.state),
                caller=batch.owner,
                subject_id=batch.id,
                progress=_counts(batch.progress),
            )
        )


def _counts(progress: Progress) -> dict[str, int]:
    return {"signed": progress.signed, "failed": progress.failed, "left": progress.left}


def _may_stop(caller: Caller | None, owner: Caller) -> bool:
    return caller is None or caller.kind is CallerKind.PROGRAM or caller.key == owner.key


async def _end(kept: _Kept) -> None:
    if kept.task is not None:
        kept.task.cancel()
        await asyncio.gather(kept.task, return_exceptions=True)


def _describe(batch: Batch, caller: Caller, record: UseRecord) -> UseRequest:
    """What the person is asked: all that is left, by its names."""
    documents = [item.document for item in batch.items if item.failed is False and item.signature is None]
    unseen = sum(not document.is_seen for document in documents)
    if unseen:
        record.action = DIGESTS
    names = ", ".join(document.name for document in documents[:10])
    record.subject = f"{batch.label}: {names}" if names else batch.label
    return UseRequest(
        asker_of(caller),
        Action.SIGN_BATCH,
        record,
        subjects=tuple(document.name for document in documents),
        sizes=() if unseen else tuple(document.size or 0 for document in documents),
        unseen=unseen,
        format=batch.label,
        card_number=batch.card_number,
        sample=make_sample(batch),
        statement=describe_statement(batch.items[0].terms),
    )


class _Entry:
    """What the journal will say of a run, from its beginning on."""

    def __init__(self, batch: Batch, caller: Caller) -> None:
        self.record = UseRecord(str(Action.SIGN_BATCH))
        self._batch = batch
        self._caller = caller
        self._began = time.monotonic()
        self._before = {id(item) for item in batch.items if item.signature is not None}

    def write(self, outcome: str) -> JournalEntry:
        """The entry, with how many documents were signed, of how many."""
        record, caller = self.record, self._caller
        signed = self._batch.progress.signed - len(self._before)
        return JournalEntry(
            action=record.action,
            caller=caller.name,
            outcome=outcome,
            through=caller.through if caller.kind is CallerKind.PAGE else caller.name,
            card_number=record.card_number,
            subject=f"{signed}/{len(self._batch.items)}, {record.subject or self._batch.label}",
            exchanges=record.exchanges or None,
            duration_ms=round((time.monotonic() - self._began) * 1000),
            by_person=record.code_given,
        )

    def find_refusal(self) -> Exception | None:
        """What a document was refused for, where this run has signed none."""
        if self._batch.progress.signed > len(self._before):
            return None
        return next((item.failure for item in self._batch.items if item.failed), None)

    def withdraw(self, why: StoreError) -> None:
        """Forget what this run has signed."""
        for item in self._batch.items:
            if item.signature is not None and id(item) not in self._before:
                item.withdraw(why)
