"""Attacks on the moment when a worker is let go of while a call to it is under way."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path

import msgspec
import pytest
from support.waiting import wait_until

from drivers.base import Deadline
from drivers.errors import CardRemovedError
from drivers.pin import Pin
from drivers.pkcs11 import process, wire
from drivers.pkcs11.process import Worker
from drivers.pkcs11.workers import ModuleWorkers

SILENT = (sys.executable, "-c", "import sys; sys.stdin.buffer.read()")
SECRET = b"\x00\x00\x00\x12\x00" + b'{"message":"done"}'


@pytest.fixture
def worker() -> Worker:
    """One that takes requests and answers none."""
    return Worker(Path("/nowhere/module.so"), ModuleWorkers(command=SILENT))


def pipes() -> set[str]:
    """The pipes that this process holds an end of, by what they are: numbers are given away again."""
    found = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names alone
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115 - what it says is no path
    return {target for target in found if target.startswith("pipe:")}


def test_attack_worker_let_go_of_before_its_request_is_written_is_no_defect_of_ours(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = worker._begin

    def begin(deadline: Deadline) -> process._Running:
        running = real(deadline)
        worker.end()
        wait_until(lambda: running.process.poll() is not None, "its end")
        wait_until(lambda: bool(running.process.stdout and running.process.stdout.closed), "its pipes' end")
        return running

    monkeypatch.setattr(worker, "_begin", begin)
    with pytest.raises(CardRemovedError):
        worker.call(wire.CheckPin(1), Deadline(10), [Pin(bytearray(b"1234"))])


def test_attack_call_never_reads_from_a_descriptor_that_was_given_to_somebody_else(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread of the call stands still while the worker is ended; the numbers of its pipes are free again."""
    others: list[int] = []
    ended = threading.Event()
    real = process._Running.end

    def end(running: process._Running) -> int:
        code = real(running)
        ended.set()
        return code

    def wait_readable(_pipe: int, _timeout_s: float) -> bool:
        worker.end()
        if ended.wait(1.0):
            reading, writing = os.pipe()
            os.write(writing, SECRET)
            others.extend((reading, writing, os.dup(reading), os.dup(reading), os.dup(reading)))
        return True

    monkeypatch.setattr(process._Running, "end", end)
    monkeypatch.setattr(process, "wait_readable", wait_readable)
    with pytest.raises(CardRemovedError):
        worker.call(wire.CheckPin(1), Deadline(10), [Pin(bytearray(b"1234"))])
    for descriptor in others:
        os.close(descriptor)


def test_attack_no_request_is_longer_than_any_pipe_holds() -> None:
    """A worker that does not read must not be able to keep the agent writing: no deadline ends that."""
    certificate = wire.CertificateObject(b"i" * wire.MAX_KEY_ID, "", b"")
    opened = wire.Opened("", "", "", signs=True, certificates=[certificate], mark="\x01" * 200)
    known = wire.read_answer(msgspec.json.encode(opened))
    assert isinstance(known, wire.Opened)
    request = wire.Sign(2**64 - 1, known.certificates[0].key_id, [b"d" * 83] * wire.MAX_SIGNATURES, known.mark)
    assert len(wire.write_frame(request, [Pin(bytearray(b"12345678"))] * 2)) <= 4096
    certificate.key_id += b"i"
    with pytest.raises(wire.WireError):
        wire.read_answer(msgspec.json.encode(opened))


def test_attack_ended_workers_leave_no_descriptor(worker: Worker) -> None:
    before = pipes()
    for _ in range(5):
        timer = threading.Timer(0.05, worker.end)
        timer.start()
        with pytest.raises(CardRemovedError):
            worker.call(wire.CheckPin(1), Deadline(10), [Pin(bytearray(b"1234"))])
        timer.join()
    wait_until(lambda: not pipes() - before, "the end of every pipe of these workers")
