"""A module of p11-kit among the agent's own: it does not come back through the agent's door."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from support.agent import Person, running_agent
from support.door_program import CLIENT

from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card

pytestmark = pytest.mark.skipif(CLIENT is None and not os.environ.get("CI"), reason="needs p11-kit-modules")


async def test_the_agent_asks_itself_for_no_card(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where clients look by themselves somebody listens, and hears nothing."""
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1))
        writer.close()

    common = tmp_path / "p11-kit" / "pkcs11"
    common.parent.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    listening = await asyncio.start_unix_server(hear, common)
    with open_card(folder) as chip:
        async with listening, running_agent(folder, Person(), VirtualReaders([chip]), modules=(CLIENT,)) as agent:
            assert await agent.ask(lambda client: client.cards())
    assert b"".join(heard) == b""
