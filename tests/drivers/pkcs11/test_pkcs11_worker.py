"""A worker as a process: what it loads, what it is given, what it leaves behind, and when it ends."""

from __future__ import annotations

import ctypes.util
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.faulty import FaultyModule
from support.softhsm import SoftHsm
from support.waiting import wait_until

from agent.children import MODULES, child_command, clean_environment
from drivers.base import Deadline, Digest, KeyRole
from drivers.card.signatures import is_signature_of
from drivers.errors import DriverError, ModuleAbsentError, ModuleCrashedError
from drivers.pin import Pin
from drivers.pkcs11 import wire
from drivers.pkcs11.modules import ModuleTokens
from drivers.pkcs11.process import Worker
from drivers.pkcs11.token import Pkcs11Token
from drivers.pkcs11.workers import ModuleWorkers

DIGEST = Digest("sha256", bytes(range(32)))


def pin(digits: str = "1234") -> Pin:
    return Pin(bytearray(digits.encode()))


def open_first(workers: ModuleWorkers) -> Pkcs11Token:
    tokens = ModuleTokens(workers)
    (state,) = tokens.list_states()
    return tokens.open_slot(state.name).open_token(Deadline(10))


def sign(token: Pkcs11Token, deadline: Deadline | None = None) -> None:
    key = next(key for key in token.keys if key.role is KeyRole.SIGNATURE)
    assert is_signature_of(key.certificate_der, DIGEST, *token.sign(key, [DIGEST], pin(), deadline or Deadline(20)))


@pytest.fixture
def no_library(tmp_path):
    path = tmp_path / "text.so"
    path.write_text("not a library")
    return path


@pytest.mark.parametrize("which", ["missing", "text", "folder", "libm", "libc"])
def test_what_is_no_module_is_named(which, no_library, tmp_path):
    path = {
        "missing": Path("/nowhere/module.so"),
        "text": no_library,
        "folder": tmp_path,
        "libm": Path(ctypes.util.find_library("m") or ""),
        "libc": Path(ctypes.util.find_library("c") or ""),
    }[which]
    worker = Worker(path, ModuleWorkers())
    with pytest.raises(ModuleAbsentError) as raised:
        worker.call(wire.ListSlots(), Deadline(20))
    assert path.name in str(raised.value)


@pytest.mark.parametrize("command", [("/nowhere/python",), ("/",)])
def test_a_worker_that_cannot_be_started_is_an_absent_module(command, token_copy):
    worker = Worker(token_copy.module, ModuleWorkers(command=command))
    with pytest.raises(ModuleAbsentError):
        worker.call(wire.ListSlots(), Deadline(20))


@pytest.mark.parametrize("fault", ["crash", "exit", "refuse", "0xb0"])
def test_a_module_that_fails_while_it_is_loaded(fault, faulty: FaultyModule):
    faulty.fail("C_Initialize", fault)
    worker = Worker(faulty.library, faulty.workers())
    with pytest.raises(ModuleAbsentError if fault in ("refuse", "0xb0") else ModuleCrashedError):
        worker.call(wire.ListSlots(), Deadline(20))
    faulty.mend()
    assert isinstance(worker.call(wire.ListSlots(), Deadline(20)), wire.Slots)
    worker.end()


LENGTHS = ("C_GetSlotList", "C_GetMechanismList", "C_FindObjects", "C_GetAttributeValue", "C_Sign")


@pytest.mark.parametrize("function", LENGTHS)
@pytest.mark.parametrize("length", ["huge", "negative"])
def test_lengths_that_a_module_tells_cannot_be_believed(function, length, faulty: FaultyModule):
    tokens = ModuleTokens(faulty.workers())
    (state,) = tokens.list_states()
    faulty.fail(function, length)
    with pytest.raises(DriverError):
        sign(tokens.open_slot(state.name).open_token(Deadline(20)))
    assert function in faulty.calls()
    faulty.mend()
    token = tokens.open_slot(state.name).open_token(Deadline(20))
    sign(token)
    token.close()


@pytest.mark.parametrize("fault", ["flood", "close", "abort", "quit"])
def test_a_module_that_takes_the_worker_over_costs_one_call(fault, faulty: FaultyModule):
    """It may write answers of its own, or close what it did not open."""
    token = open_first(faulty.workers())
    faulty.fail("C_Login", fault)
    with pytest.raises(ModuleCrashedError):
        sign(token)
    faulty.mend()
    sign(token)
    token.close()
    wait_until(lambda: not faulty.processes(), "the end of every process")


def test_what_a_module_started_ends_with_its_worker(faulty: FaultyModule):
    token = open_first(faulty.workers())
    faulty.fail("C_SignInit", "spawn")
    sign(token)
    assert len(faulty.processes()) == 2
    faulty.mend()
    token.close()
    wait_until(lambda: not faulty.processes(), "the end of every process")


def test_nothing_is_left_of_many_calls(faulty: FaultyModule):
    """Neither a process nor a descriptor nor a thread."""
    threads = set(threading.enumerate())
    token = open_first(faulty.workers())
    sign(token)
    token.close()
    wait_until(lambda: not faulty.processes() and threads >= set(threading.enumerate()), "the end of the worker")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for fault in ("crash", "refuse", "orphan"):
        faulty.fail("C_Sign", fault)
        deadline = Deadline(20)
        if fault == "orphan":
            threading.Thread(target=cancel_at_sign, args=(faulty, deadline), daemon=True).start()
        faulty.calls()
        with pytest.raises(DriverError):
            sign(token, deadline)
    faulty.mend()
    sign(token)
    token.close()
    wait_until(lambda: not faulty.processes() and threads >= set(threading.enumerate()), "the end of every worker")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def cancel_at_sign(faulty: FaultyModule, deadline: Deadline) -> None:
    wait_until(lambda: "C_Sign" in faulty.called(), "C_Sign")
    deadline.cancel()


def test_a_worker_is_given_no_descriptor_but_its_pipes(token_copy: SoftHsm):
    with Path(os.devnull).open() as inherited:
        os.set_inheritable(inherited.fileno(), True)
        token = open_first(ModuleWorkers(named=(token_copy.module,), environment=token_copy.env))
        links = Path(f"/proc/{token._worker.process_id}/fd")
        open_files = {link.name: str(link.readlink()) for link in links.iterdir()}
        token.close()
    assert open_files.pop("0").startswith("pipe:")
    assert open_files.pop("1") == os.devnull
    assert open_files.pop("2") == os.devnull
    assert sum(target.startswith("pipe:") for target in open_files.values()) == 1
    assert all(
        target.startswith(("pipe:", str(token_copy.folder), "/var/lib/softhsm")) for target in open_files.values()
    )


def test_a_worker_of_the_agent_gets_a_clean_environment(token_copy: SoftHsm):
    poison = {"LD_PRELOAD": "", "PYTHONPATH": "/nowhere", "LD_LIBRARY_PATH": "/nowhere", "SECRET": "739146"}
    environment = clean_environment({**token_copy.env, **poison}, MODULES)
    workers = ModuleWorkers(named=(token_copy.module,), command=child_command("_worker"), environment=environment)
    token = open_first(workers)
    given = Path(f"/proc/{token._worker.process_id}/environ").read_bytes()
    assert b"SOFTHSM2_CONF=" in given
    assert not any(name.encode() in given for name in poison)
    sign(token)
    token.close()


LOOK = """
import ctypes, resource
from agent.__main__ import main
from drivers.pkcs11 import worker
PR_GET_DUMPABLE = 3
worker.main = lambda words: print(ctypes.CDLL(None).prctl(PR_GET_DUMPABLE), resource.getrlimit(resource.RLIMIT_CORE))
main(["_worker", "/nowhere"])
"""


def test_a_worker_of_the_agent_cannot_be_looked_into():
    """Asked where the worker's own work would begin, since to root every process looks alike."""
    looked = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert looked.stdout == "0 (0, 0)\n"


CALLER = """
import signal, sys
from pathlib import Path
from drivers.base import Deadline
from drivers.pin import Pin
from drivers.pkcs11.modules import ModuleTokens
from drivers.pkcs11.workers import ModuleWorkers
signal.signal(signal.SIGINT, signal.SIG_IGN)
tokens = ModuleTokens(ModuleWorkers(named=(Path(sys.argv[1]),)))
(state,) = tokens.list_states()
token = tokens.open_slot(state.name).open_token(Deadline(60))
print(token._worker.process_id, flush=True)
for line in sys.stdin:
    token.verify_pin(Pin(bytearray(b"1234")), Deadline(60))
    print("done", flush=True)
"""


@pytest.fixture
def caller(faulty: FaultyModule):
    """A program that uses the module: its process, its worker's, and a function that has it make a call."""
    command = [sys.executable, "-c", CALLER, str(faulty.library)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=faulty.token.env, start_new_session=True, **pipes) as process:
        yield process
        process.kill()


def begin_call(caller) -> None:
    caller.stdin.write("go\n")
    caller.stdin.flush()


@pytest.mark.parametrize("doing", ["nothing", "C_Login", "a child"])
def test_a_worker_ends_with_its_caller_whatever_it_is_doing(doing, caller, faulty: FaultyModule):
    assert int(caller.stdout.readline()) in faulty.processes()
    if doing != "nothing":
        faulty.fail("C_Login", "spawn" if doing == "a child" else "hang")
        begin_call(caller)
        wait_until(lambda: "C_Login" in faulty.called(), "the call")
    if doing == "a child":
        assert caller.stdout.readline() == "done\n"
        assert len(faulty.processes()) == 2
    caller.kill()
    caller.wait()
    wait_until(lambda: not faulty.processes(), "the end of the worker")


def test_a_worker_ends_though_its_library_hangs_while_it_is_loaded(faulty: FaultyModule):
    """The interpreter does not run then, so no thread of it sees that the caller is gone."""
    faulty.fail("C_GetFunctionList", "hang")
    command = "from drivers.pkcs11 import worker; import sys; worker.LOAD_LIMIT_S = 1; worker.main(sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", command, str(faulty.library)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as worker:
        assert worker.stdin
        worker.stdin.write(wire.write_frame(wire.ListSlots()))
        worker.stdin.flush()
        wait_until(faulty.called, "the library to be loaded")
        worker.stdin.close()
        try:
            assert worker.wait(10) == -signal.SIGALRM
        finally:
            worker.kill()


def test_an_interruption_of_the_caller_is_none_of_its_worker(caller, faulty: FaultyModule):
    """Ctrl-C reaches every process of the terminal's group."""
    process_id = int(caller.stdout.readline())
    os.killpg(caller.pid, signal.SIGINT)
    begin_call(caller)
    assert caller.stdout.readline() == "done\n"
    assert process_id in faulty.processes()


CODE = "73914682"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can read another process's memory")
def test_a_code_is_not_kept_in_the_memory_of_a_worker(faulty: FaultyModule):
    token = open_first(faulty.workers())
    token.change_pin(pin(), pin(CODE), Deadline(20))
    process_id = token._worker.process_id
    assert process_id
    token.verify_pin(pin(CODE), Deadline(20))
    assert token._worker.process_id == process_id
    assert copies(process_id) == []
    faulty.fail("C_Logout", "hang")
    faulty.calls()
    deadline = Deadline(20)
    seen: list[list[str]] = []

    def look() -> None:
        wait_until(lambda: "C_Logout" in faulty.called(), "a moment at which the worker has the code")
        seen.append(copies(process_id))
        deadline.cancel()

    looking = threading.Thread(target=look)
    looking.start()
    with pytest.raises(DriverError):
        token.verify_pin(pin(CODE), deadline)
    looking.join()
    assert seen[0], "a search that finds nothing at any time proves nothing"


def copies(process_id: int) -> list[str]:
    """Where the code is in a process's memory: as bytes, and as the wider characters of strings."""
    needles = [CODE.encode(coding) for coding in ("ascii", "utf-16-le", "utf-32-le")]
    found = []
    with Path(f"/proc/{process_id}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{process_id}/maps").read_text().splitlines():
            place, rights, *_ = line.split()
            start, end = (int(number, 16) for number in place.split("-"))
            if "r" in rights and "[v" not in line:
                memory.seek(start)
                content = memory.read(end - start)
                found += [line for needle in needles if needle in content]
    return found
