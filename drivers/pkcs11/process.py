"""The agent's side of a worker process: started when needed, killed at a call's deadline, ended when idle."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from drivers.base import Deadline
from drivers.errors import CardRemovedError, DriverError, ModuleAbsentError, ModuleCrashedError, ModuleTimeoutError
from drivers.pin import Pin
from drivers.pkcs11 import wire
from drivers.pkcs11.pipes import wait_readable
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
            answer = self._exchange(frame, deadline)
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
            running.released.set()

    def confused(self) -> ModuleCrashedError:
        """End a process that answered another question than was asked, and give the error to raise."""
        self.end()
        return ModuleCrashedError(f"{self.module.name}: an answer to another question")

    def _exchange(self, frame: bytearray, deadline: Deadline) -> wire.Answer:
        running = self._begin(deadline)
        try:
            return running.exchange(frame, deadline)
        except TimeoutError as error:
            self.end()
            running.kill()
            raise ModuleTimeoutError(f"{self.module.name} did not answer in time") from error
        except (OSError, EOFError, wire.WireError) as error:
            raise self._why_ended(running) from error
        finally:
            running.rest()

    def _begin(self, deadline: Deadline) -> _Running:
        """The process, a new one if there is none."""
        deadline.check()
        with self._lock:
            if self._running is None:
                self._running = _Running(_start(self.module, self._workers))
                threading.Thread(target=self._watch, args=(self._running,), name="module watch", daemon=True).start()
            self._running.busy = True
            return self._running

    def _why_ended(self, running: _Running) -> DriverError:
        if running.released.is_set():
            return CardRemovedError(f"{self.module.name} was let go of while it was used")
        self.end()
        code = running.end()
        return ModuleCrashedError(f"{self.module.name}: its process ended ({_describe_exit(code)})", native=code)

    def _watch(self, running: _Running) -> None:
        """End the process when it is let go of, or when no call comes for a while."""
        while not running.released.wait(max(0.0, running.rested_at + self._workers.idle_s - time.monotonic())):
            with self._lock:
                if not running.busy and running.rested_at + self._workers.idle_s <= time.monotonic():
                    self._running = None
                    running.released.set()
                elif running.busy:
                    running.rested_at = time.monotonic()
        running.end()


class _Running:
    """A started process. `released`: nobody will call it again."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.released = threading.Event()
        self.busy = True
        self.rested_at = time.monotonic()
        self._ending = threading.Lock()
        self._writing = threading.Lock()
        self._calling = threading.Lock()

    def rest(self) -> None:
        """A call has ended."""
        self.rested_at = time.monotonic()
        self.busy = False

    def exchange(self, frame: bytearray, deadline: Deadline) -> wire.Answer:
        """Send a frame and read the answer.

        Raises TimeoutError at the deadline, EOFError when the process ends before, WireError, OSError.
        """
        with self._calling:
            self._write(frame)
            json_length, codes_length = wire.read_header(self._read(wire.HEADER_LENGTH, deadline))
            if codes_length:
                raise wire.WireError("an answer with codes")
            return wire.read_answer(self._read(json_length, deadline))

    def kill(self) -> None:
        """Kill the process and all that it started."""
        if sys.platform == "win32":
            self.process.kill()
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Close its input, which ends it; kill it if that does not, and all that it started. Gives its exit code.

        A pipe that a call still uses is not closed under it: its number would soon be that of another file.
        """
        with self._ending:
            assert self.process.stdin
            assert self.process.stdout
            with self._writing, contextlib.suppress(OSError):
                self.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(END_S)
            self.kill()
            code = self.process.wait()
            with self._calling:
                self.process.stdout.close()
            return code

    def _write(self, frame: bytearray) -> None:
        assert self.process.stdin
        with self._writing:
            if self.process.stdin.closed:
                raise EOFError
            view = memoryview(frame)  # shorter than a pipe holds: a process that hangs does not stop us here
            while view:
                view = view[self.process.stdin.write(view) :]

    def _read(self, count: int, deadline: Deadline) -> bytearray:
        assert self.process.stdout
        if self.process.stdout.closed:
            raise EOFError
        pipe = self.process.stdout.fileno()
        buffer = bytearray()
        while len(buffer) < count:
            while not wait_readable(pipe, min(SLICE_S, deadline.remaining_s)):
                if not deadline.remaining_s:
                    raise TimeoutError
            part = os.read(pipe, count - len(buffer))
            if not part:
                raise EOFError
            buffer += part
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


def _describe_exit(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
