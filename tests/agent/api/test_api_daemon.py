"""Starting and stopping: one agent per data folder, nothing left behind, the next port when one is taken."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest
from support.agent import RunningAgent, running_agent

from agent.daemon import Daemon
from agent.loopback import PortTakenError, bind_loopback
from agent.settings import Settings
from drivers.folder_lock import FolderInUseError
from drivers.virtual.link import VirtualReaders


async def test_a_second_agent_on_the_same_folder_is_refused_and_harms_nothing(agent: RunningAgent) -> None:
    before = agent.token
    with pytest.raises(FolderInUseError):
        async with running_agent(agent.folder, readers=VirtualReaders()):
            pass
    assert agent.token == before
    assert (await agent.program("GET", "/v1/status")).status == 200


async def test_the_folder_is_the_users_own_and_the_token_goes_with_the_run(folder: Path) -> None:
    async with running_agent(folder, readers=VirtualReaders()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600
    assert not (folder / "token").exists()
    assert not (folder / "port").exists()


async def test_each_run_has_a_token_of_its_own(folder: Path) -> None:
    tokens = set()
    for _ in range(2):
        async with running_agent(folder, readers=VirtualReaders()) as agent:
            tokens.add(agent.token)
    assert len(tokens) == 2


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_taken_on_one_family_is_passed_over(family: socket.AddressFamily, host: str) -> None:
    with socket.create_server((host, 0), family=family) as other:
        taken = other.getsockname()[1]
        with pytest.raises(PortTakenError):
            bind_loopback((taken,))
        sockets = bind_loopback((taken, 0))
        ports = {listener.getsockname()[1] for listener in sockets}
        for listener in sockets:
            listener.close()
        assert len(ports) == 1
        assert taken not in ports


async def test_a_taken_port_is_said(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        daemon = Daemon(Settings(data_dir=folder, port=other.getsockname()[1]), readers=VirtualReaders())
        with pytest.raises(PortTakenError):
            await daemon.run(lambda _: None)
    assert not (folder / "token").exists()
