"""A PIN session as a person has it: ticked in the real window, used without a question, ended by a locked screen."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest
from support.agent import NONCE
from support.dbus import FakeLocker, FakeLogind, PrivateBus
from support.display import find_missing_tools
from support.lines import until
from support.memory import make_card_with_code, needles, random_code, search_memory
from support.pcscd import why_unavailable
from support.windows import Workstation, read_answer, workstation

MISSING = [*find_missing_tools(), *filter(None, [why_unavailable()])]
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=f"needs {', '.join(MISSING)}")

ORIGIN = "https://dmp.example"
GRANT = {"abilities": ["identity", "authenticate"]}
LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}


class Desktop:
    """The workstation, its screen locker, and the person's code."""

    def __init__(self, desk: Workstation, locker: FakeLocker, code: str) -> None:
        self.desk = desk
        self.locker = locker
        self.code = code

    def consent(self) -> None:
        with self.desk.page("POST /v1/grants", GRANT, ORIGIN) as line:
            self.desk.window("CPS consent")
            self.desk.screen.press("shift+Tab", "space")
            assert read_answer(line)[0] == 201

    def log_in_and_tick(self) -> None:
        with self.desk.page("POST /v1/authentications", LOGIN, ORIGIN) as line:
            self.desk.window("CPS code")
            self.desk.screen.type_text(self.code)
            self.desk.screen.press("Tab", "space", "Return")
            assert read_answer(line)[0] == 200

    def log_in_unasked(self) -> None:
        with self.desk.page("POST /v1/authentications", LOGIN, ORIGIN) as line:
            assert read_answer(line)[0] == 200
        assert self.desk.windows == []

    def is_asked_again(self) -> None:
        with self.desk.page("POST /v1/authentications", LOGIN, ORIGIN):
            self.desk.window("CPS code")

    def sessions(self) -> list[dict[str, object]]:
        return list(self.desk.client.status()["sessions"])


@pytest.fixture
async def desktop(made_folder: Path, tmp_path: Path) -> AsyncIterator[Desktop]:
    code = random_code()
    shutil.copytree(made_folder, tmp_path / "made")
    await asyncio.to_thread(make_card_with_code, tmp_path / "made", code)
    async with AsyncExitStack() as stack:
        buses = {}
        for name in ("system", "session"):
            (tmp_path / name).mkdir()
            buses[name] = PrivateBus(tmp_path / name)
            buses[name].start()
            stack.callback(buses[name].stop)
        logind, locker = FakeLogind(), FakeLocker()
        for service, bus in ((logind, buses["system"]), (locker, buses["session"])):
            await service.appear(bus.address)
            stack.push_async_callback(service.leave)
        environment = {
            "DBUS_SYSTEM_BUS_ADDRESS": buses["system"].address,
            "DBUS_SESSION_BUS_ADDRESS": buses["session"].address,
        }
        programs = ExitStack()
        running = workstation(tmp_path / "made", tmp_path / "data", environment=environment)
        desk = await asyncio.to_thread(programs.enter_context, running)
        try:
            yield Desktop(desk, locker, code)
        finally:
            await asyncio.to_thread(programs.close)


async def test_a_ticked_session_lends_until_the_screen_is_locked(desktop: Desktop) -> None:
    await asyncio.to_thread(desktop.consent)
    await asyncio.to_thread(desktop.log_in_and_tick)
    (session,) = await asyncio.to_thread(desktop.sessions)
    assert (session["caller"], session["usesLeft"]) == (ORIGIN, 20)
    assert (await asyncio.to_thread(desktop.desk.client.status))["condition"] == "pin-session"
    await asyncio.to_thread(desktop.log_in_unasked)
    assert (await asyncio.to_thread(desktop.sessions))[0]["usesLeft"] == 19
    assert await asyncio.to_thread(desktop.desk.card_state) == "63c3"
    await desktop.locker.tell(active=True)
    while await asyncio.to_thread(desktop.sessions):
        await asyncio.sleep(0.01)
    if os.geteuid() == 0:  # nobody else may look into a process that forbids it
        pid = desktop.desk.daemon_pid
        assert await asyncio.to_thread(search_memory, pid, needles(desktop.code)) == []
    await asyncio.to_thread(desktop.is_asked_again)
    await until(lambda: not desktop.desk.windows)
