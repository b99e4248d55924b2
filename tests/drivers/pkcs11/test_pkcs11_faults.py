"""A module that fails in each function that each operation calls: that call ends in its error, the next one works.

The functions are those of the operation's own trace, so that a new call cannot be forgotten.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.faulty import FaultyModule
from support.waiting import wait_until

from drivers.base import Deadline, Digest, KeyRole
from drivers.card.signatures import is_signature_of
from drivers.errors import DriverError, ModuleAbsentError, ModuleCrashedError, ModuleTimeoutError, PinUncertainError
from drivers.pin import Pin
from drivers.pkcs11.modules import ModuleTokens
from drivers.pkcs11.token import Pkcs11Token

LIMIT_S = 0.4  # for calls that hang; all others take a few hundredths
PARALLEL = 4
DIGEST = Digest("sha256", hashlib.sha256(b"content").digest())

FAULTS: dict[str, tuple[type[DriverError], ...]] = {
    "crash": (ModuleCrashedError,),
    "kill": (ModuleCrashedError,),
    "exit": (ModuleCrashedError,),
    "hang": (ModuleTimeoutError,),
    "orphan": (ModuleTimeoutError,),  # the child keeps the pipe open: only the deadline tells
    "refuse": (DriverError,),
    "lie": (DriverError,),
}


UNCERTAIN = dict.fromkeys(("change_pin", "unblock_pin"), (PinUncertainError,))
SILENT = ("hang", "orphan")
BASIC = ("crash", "hang", "refuse")
"""For operations whose calls the signature makes as well."""


def pin(digits: str = "1234") -> Pin:
    return Pin(bytearray(digits.encode()))


def sign(token: Pkcs11Token, deadline: Deadline) -> None:
    key = next(key for key in token.keys if key.role is KeyRole.SIGNATURE)
    assert is_signature_of(key.certificate_der, DIGEST, *token.sign(key, [DIGEST], pin(), deadline))


OPERATIONS: dict[str, Callable[[Pkcs11Token, Deadline], object]] = {
    "read_pin_status": lambda token, deadline: token.read_pin_status(deadline),
    "verify_pin": lambda token, deadline: token.verify_pin(pin(), deadline),
    "change_pin": lambda token, deadline: token.change_pin(pin(), pin(), deadline),
    "unblock_pin": lambda token, deadline: token.unblock_pin(pin("12345678"), pin(), deadline),
    "sign": sign,
    "read_data_objects": lambda token, deadline: token.read_data_objects(pin(), deadline),
}


def open_first(tokens: ModuleTokens, deadline: Deadline | None = None) -> Pkcs11Token:
    (state,) = tokens.list_states()
    token = tokens.open_slot(state.name).open_token(deadline or Deadline(10))
    assert isinstance(token, Pkcs11Token)
    return token


def worker_of(token: Pkcs11Token) -> int | None:
    return token._worker.process_id


@pytest.mark.parametrize(
    ("operation", "fault"), [(name, fault) for name in OPERATIONS for fault in (FAULTS if name == "sign" else BASIC)]
)
def test_each_function_of_an_operation_fails(operation, fault, lanes):
    functions = lanes[0].functions(OPERATIONS[operation])
    with ThreadPoolExecutor(len(lanes)) as pool:
        parts = [functions[start :: len(lanes)] for start in range(len(lanes))]
        for done in [pool.submit(lane.run, operation, part, fault) for lane, part in zip(lanes, parts, strict=True)]:
            done.result()
    wait_until(lambda: not zombies() and not any(lane.faulty.processes() for lane in lanes), "the end of every process")


@pytest.fixture(scope="module")
def lanes(faulty_library, softhsm, tmp_path_factory):
    """Opened tokens for cases that run side by side, each with its own copy of all that a case may change."""
    folder = tmp_path_factory.mktemp("lanes")
    tokens = (softhsm.copy(folder / f"token{number}") for number in range(PARALLEL))
    return [Lane(FaultyModule(faulty_library, folder / f"lane{n}", token)) for n, token in enumerate(tokens)]


class Lane:
    """An opened token, and cases one after the other."""

    def __init__(self, faulty: FaultyModule) -> None:
        self.faulty = faulty
        self.token = open_first(ModuleTokens(faulty.workers()))
        self.token.close()

    def functions(self, act: Callable[[Pkcs11Token, Deadline], object]) -> list[str]:
        """What an operation calls, with the start of its worker."""
        self.faulty.calls()
        act(self.token, Deadline(10))
        self.token.close()
        functions = list(dict.fromkeys(self.faulty.calls()))
        assert {"C_Initialize", "C_GetTokenInfo"} <= set(functions)
        return functions

    def run(self, operation: str, functions: list[str], fault: str) -> None:
        for function in functions:
            self._run_case(operation, function, fault)
        self.token.close()

    def _run_case(self, operation: str, function: str, fault: str) -> None:
        act, loading = OPERATIONS[operation], function in LOADING
        if loading:
            self.token.close()  # so that it is called again
        self.faulty.calls()
        self.faulty.fail(function, fault)
        deadline = Deadline(60)
        if fault in SILENT:
            threading.Thread(target=cancel_when_called, args=(deadline, self.faulty, function), daemon=True).start()
        allowed = (*FAULTS[fault], *UNCERTAIN.get(operation, ()), *((ModuleAbsentError,) if loading else ()))
        with pytest.raises(allowed):
            act(self.token, deadline)
        assert function in self.faulty.calls()
        self.faulty.mend()
        act(self.token, Deadline(60))


def cancel_when_called(deadline: Deadline, faulty: FaultyModule, function: str) -> None:
    """Wait for the fault, not for the time that it would take."""
    wait_until(lambda: function in faulty.called(), function)
    deadline.cancel()


LOADING = ("C_GetFunctionList", "C_Initialize", "C_GetInfo")


def leftovers(faulty: FaultyModule) -> list[int]:
    """Processes that have the faulty module in memory, and zombies of ours."""
    return [*faulty.processes(), *zombies()]


def zombies() -> list[int]:
    children = Path("/proc/self/task").glob("*/children")
    return [int(child) for each in children for child in each.read_text().split() if state_of(int(child)) == "Z"]


def state_of(process_id: int) -> str:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_module_that_fails_while_it_is_listed_is_named_and_comes_back(fault, faulty):
    faulty.fail("C_GetSlotList", fault)
    tokens = ModuleTokens(faulty.workers(list_timeout_s=LIMIT_S if fault in SILENT else 10))
    (state,) = tokens.list_states()
    assert state.name == faulty.library.name
    slot = tokens.open_slot(state.name)
    with pytest.raises(FAULTS[fault]):
        slot.open_token(Deadline(LIMIT_S if fault in SILENT else 10))
    faulty.mend()
    with pytest.raises(DriverError, match="works again"):
        slot.open_token(Deadline(10))
    sign(open_first(tokens), Deadline(10))


def test_what_a_module_prints_does_not_reach_the_agent(faulty):
    token = open_first(ModuleTokens(faulty.workers()))
    faulty.fail("C_Sign", "print")
    sign(token, Deadline(10))


def test_a_call_that_its_caller_gives_up_ends_soon(faulty):
    token = open_first(ModuleTokens(faulty.workers()))
    faulty.fail("C_Sign", "hang")
    deadline = Deadline(60)
    threading.Timer(0.3, deadline.cancel).start()
    started = time.monotonic()
    with pytest.raises(ModuleTimeoutError):
        sign(token, deadline)
    assert time.monotonic() - started < 5
    faulty.mend()
    sign(token, Deadline(10))


def test_an_idle_worker_ends_and_the_next_call_starts_another(faulty):
    token = open_first(ModuleTokens(faulty.workers(idle_s=0.2)))
    first = worker_of(token)
    wait_until(lambda: worker_of(token) is None, "the end of the idle worker")
    wait_until(lambda: not leftovers(faulty), "its process to be gone")
    sign(token, Deadline(10))
    assert worker_of(token) not in (None, first)


def test_a_worker_killed_while_idle_costs_one_call(faulty):
    token = open_first(ModuleTokens(faulty.workers()))
    process_id = worker_of(token)
    assert process_id
    os.kill(process_id, 9)
    wait_until(lambda: state_of(process_id) == "Z", "its end")
    with pytest.raises(ModuleCrashedError, match="SIGKILL"):
        token.read_pin_status(Deadline(10))
    sign(token, Deadline(10))
