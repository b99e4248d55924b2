"""The agent's child processes in the frozen program, as the package installs it: windows, and PKCS#11 modules."""

from __future__ import annotations

import asyncio

import pytest
from support import softhsm
from support.display import find_missing_tools, virtual_display

from agent.people.dialog_process import DialogPrompt
from agent.people.prompt import Action, Asker, CardSummary, PinKind, PinRequest
from drivers.base import Deadline
from drivers.pkcs11.modules import list_slots
from drivers.pkcs11.process import Worker
from drivers.pkcs11.workers import ModuleWorkers

MISSING = find_missing_tools()
REQUEST = PinRequest(
    PinKind.USE, Asker("https://dmp.example", is_page=True), Action.AUTHENTICATE,
    CardSummary("99213845", "DUPONT Marie", test=True), tries_left=3,
)  # fmt: skip
pytestmark = pytest.mark.timeout(600)  # the first test waits for the build


@pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
async def test_window_asks_for_the_code_and_hands_it_over(built, monkeypatch, tmp_path):
    with virtual_display() as screen:
        monkeypatch.setenv("DISPLAY", screen.name)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        asked = asyncio.create_task(DialogPrompt((str(built.program), "_dialog"), language="fr").ask_pin(REQUEST))
        window = await asyncio.to_thread(screen.find_window, "^Code CPS$")
        await asyncio.to_thread(screen.focus, window)
        await asyncio.to_thread(screen.screenshot, tmp_path / "window.png", window)
        await asyncio.to_thread(screen.type_text, "1234")
        await asyncio.to_thread(screen.press, "Return")
        async with asyncio.timeout(20):
            answer = await asked
    shown = bytearray()
    answer.code.append_to(shown)
    assert shown == b"1234"


@pytest.mark.skipif(bool(softhsm.why_unavailable()), reason=str(softhsm.why_unavailable()))
def test_worker_loads_a_module(built, tmp_path):
    token = softhsm.softhsm_token(tmp_path / "token", tmp_path / "data")
    workers = ModuleWorkers(command=(str(built.program), "_worker"), environment=token.env)
    worker = Worker(token.module, workers)
    try:
        slots = list_slots(worker, Deadline(30))
    finally:
        worker.end()
    assert token.serial in str(slots)
