"""One SQLite file behind one thread, so that the event loop never waits for a file lock."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

from agent.access.errors import StoreError
from agent.access.storefile import explain, open_store

T = TypeVar("T")


class _Delivery:
    """Carries whatever is raised inside it across the thread, to the one who waits for `answer`."""

    def __init__(self, answer: Future[Any]) -> None:
        self._answer = answer

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None:
            self._answer.set_exception(error)
        return True


@dataclass(frozen=True, slots=True)
class _Call:
    work: Callable[[sqlite3.Connection], Any]
    answer: Future[Any]
    in_transaction: bool = True

    def run_on(self, connection: sqlite3.Connection) -> None:
        if self.answer.set_running_or_notify_cancel():
            with _Delivery(self.answer):
                self.answer.set_result(
                    _in_transaction(connection, self.work) if self.in_transaction else self.work(connection)
                )


class Database:
    """Runs functions on the agent's database, one after the other, each in a transaction of its own."""

    def __init__(self, path: Path) -> None:
        self.recovered = False
        self._path = path
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._ended = _uncancellable()
        self._is_open = False

    async def open(self) -> None:
        """Open or make the file; `recovered` says whether a damaged one was moved aside. Raise StoreError."""
        opened = _uncancellable()
        threading.Thread(target=self._serve, args=(opened,), name="cps-agent-database", daemon=True).start()
        await asyncio.wrap_future(opened)
        self._is_open = True

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on the database's thread: all of it is kept, or nothing if it raises. StoreError: the file failed.

        A call that is cancelled before its turn is not run; `work` takes no part in commit and rollback.
        """
        result: T = await self._put(_Call(work, Future()))
        return result

    async def scrub(self) -> None:
        """Leave nothing of deleted rows in the write-ahead log: it is emptied into the file. Raises StoreError."""
        await self._put(_Call(_empty_log, Future(), in_transaction=False))

    async def _put(self, call: _Call) -> Any:
        if not self._is_open:
            raise StoreError("the database is closed")
        self._calls.put(call)
        return await asyncio.wrap_future(call.answer)

    async def close(self) -> None:
        """Finish what was asked for, then close the file; closing twice does nothing."""
        if self._is_open:
            self._is_open = False
            self._calls.put(None)
            await asyncio.wrap_future(self._ended)

    def _serve(self, opened: Future[None]) -> None:
        with _Delivery(opened):
            connection, self.recovered = open_store(self._path)
            opened.set_result(None)
            with _Delivery(self._ended):
                self._serve_calls(connection)
                self._ended.set_result(None)

    def _serve_calls(self, connection: sqlite3.Connection) -> None:
        while (call := self._calls.get()) is not None:
            call.run_on(connection)
        connection.close()


def _uncancellable() -> Future[None]:
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future


def _empty_log(connection: sqlite3.Connection) -> None:
    try:
        (busy, *_), *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        raise explain(error) from error
    if busy:
        raise StoreError("another program reads the database")


def _in_transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    try:
        connection.execute("BEGIN IMMEDIATE")
        result = work(connection)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise explain(error) from error
    finally:
        if connection.in_transaction:
            connection.rollback()
    return result
