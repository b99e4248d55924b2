"""The agent's side of a worker process: started when needed, killed at a call's deadline, ended when idle."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drivers.base import Deadline
from drivers.errors import ModuleAbsentError, ModuleCrashedError, ModuleTimeoutError
from drivers.pin import Pin
from drivers.pkcs11 import wire
from drivers.pkcs11.results import error_of
from drivers.pkcs11.workers import ModuleWorkers

NO_CONSOLE = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows shows a black window otherwise
SLICE_S = 0.05
"""How soon a call notices that its deadline was brought forward."""

END_S = 2.0  # after that, kill


class Worker:
    """A process with one module in it, used by one thread at a time.

    Whatever goes wrong in it costs the call under way: after any refusal or failure the process is ended, and the next
    call starts another.
    """

    def __init__(self, module: Path, workers: ModuleWorkers) -> None:
        self.module = module
        self._workers = workers
        self._running: _Running | None = None
        self._lock = threading.Lock()

    @property
    def process_id(self) -> int | None:
        """The process under way, if there is one."""
        running = self._running
        return running.process.pid if running else None

    def call(self, request: wire.Request, deadline: Deadline, codes: Sequence[Pin] = ()) -> wire.Answer:
        """Have a request answered. Raises what the module's refusal means, and the three Module…Errors."""
        frame = wire.write_frame(request, codes)
        try:
            answer = self._exchange(frame, _Call(deadline))
        finally:
            frame[:] = bytes(len(frame))
        if isinstance(answer, wire.Failed):
            self.end()
            raise error_of(answer, self.module.name)
        return answer

    def end(self) -> None:
        """Let go of the process, if one runs; its watch ends it."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            running.calls.put(None)

    def confused(self) -> ModuleCrashedError:
        """End a process that answered another question than was asked, and give the error to raise."""
        self.end()
        return ModuleCrashedError(f"{self.module.name}: an answer to another question")

    def _exchange(self, frame: bytearray, call: _Call) -> wire.Answer:
        running = self._begin(call)
        try:
            return running.exchange(frame)
        except (OSError, EOFError, wire.WireError) as error:
            self.end()
            raise self._reason(call, running.end()) from error
        finally:
            call.done.set()

    def _begin(self, call: _Call) -> _Running:
        """Hand the call to the process's watch, of a new process if there is none."""
        call.deadline.check()
        with self._lock:
            if self._running is None:
                self._running = _Running(_start(self.module, self._workers))
                threading.Thread(target=self._watch, args=(self._running,), name="module watch", daemon=True).start()
            self._running.calls.put(call)
            return self._running

    def _reason(self, call: _Call, code: int) -> ModuleTimeoutError | ModuleCrashedError:
        if call.expired:
            return ModuleTimeoutError(f"{self.module.name} did not answer in time")
        return ModuleCrashedError(f"{self.module.name}: its process ended ({_describe_exit(code)})", native=code)

    def _watch(self, running: _Running) -> None:
        """Kill the process when a call outlives its deadline, and end it when none comes for a while."""
        while (call := running.next_call(self._workers.idle_s)) is not None or not self._let_go(running):
            if call is not None:
                running.guard(call)
        running.end()

    def _let_go(self, running: _Running) -> bool:
        """Take the process out of use, unless a call came at the last moment."""
        with self._lock:
            if self._running is running:
                if not running.calls.empty():
                    return False
                self._running = None
            return True


@dataclass(slots=True)
class _Call:
    """One call under way. `expired`: its process was killed at the deadline."""

    deadline: Deadline
    done: threading.Event = field(default_factory=threading.Event)
    expired: bool = False


class _Running:
    """A started process and the calls that its watch is told of."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._ending = threading.Lock()

    def next_call(self, idle_s: float) -> _Call | None:
        """The next call, or None when the process is to end."""
        with contextlib.suppress(queue.Empty):
            return self.calls.get(timeout=idle_s)
        return None

    def guard(self, call: _Call) -> None:
        """Wait until the call is done; kill the process, and all that it started, once the deadline has passed."""
        while not call.done.wait(SLICE_S):
            if not call.deadline.remaining_s:
                call.expired = True
                _kill(self.process)
                call.done.wait()

    def exchange(self, frame: bytearray) -> wire.Answer:
        """Send a frame and read the answer. Raises EOFError when the process ends before."""
        assert self.process.stdin
        view = memoryview(frame)
        while view:
            view = view[self.process.stdin.write(view) :]
        json_length, codes_length = wire.read_header(self._read(wire.HEADER_LENGTH))
        if codes_length:
            raise wire.WireError("an answer with codes")
        return wire.read_answer(self._read(json_length))

    def end(self) -> int:
        """Close its input, which ends it; kill it if that does not; reap it. Gives its exit code."""
        with self._ending:
            assert self.process.stdin
            assert self.process.stdout
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            try:
                self.process.wait(END_S)
            except subprocess.TimeoutExpired:
                _kill(self.process)
            code = self.process.wait()
            self.process.stdout.close()
            return code

    def _read(self, count: int) -> bytearray:
        assert self.process.stdout
        buffer = bytearray(count)
        filled = 0
        while filled < count:
            part = self.process.stdout.readinto(memoryview(buffer)[filled:])  # type: ignore[attr-defined]
            if not part:
                raise EOFError
            filled += part
        return buffer


def _start(module: Path, workers: ModuleWorkers) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [*workers.command, str(module)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=None if workers.environment is None else dict(workers.environment),
            creationflags=NO_CONSOLE,
            start_new_session=True,  # a Ctrl-C meant for the agent is none for a module
        )
    except OSError as error:
        raise ModuleAbsentError(f"no process for {module.name}: {error.strerror}") from error


def _kill(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _describe_exit(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
