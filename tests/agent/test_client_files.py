"""The client believes only files of this user."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.client import AgentUnreachableError, Client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "port").write_text("27710\n")
    (tmp_path / "token").write_text("secret\n")
    return tmp_path


def test_port_and_token_are_read(folder: Path) -> None:
    with Client.of(folder) as client:
        assert (client.port, client.token) == (27710, "secret")


@pytest.mark.parametrize("name", ["port", "token"])
def test_a_missing_file_means_that_no_agent_runs(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(AgentUnreachableError):
        Client.of(folder)


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", ["port", "token"])
def test_attack_a_file_of_another_user_is_not_believed(folder: Path, name: str) -> None:
    os.chown(folder / name, 65534, 65534)
    with pytest.raises(AgentUnreachableError):
        Client.of(folder)


def test_attack_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (folder / "token").rename(tmp_path / "elsewhere")
    (folder / "token").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AgentUnreachableError):
        Client.of(folder)


@pytest.mark.parametrize("content", [b"", b"x", b"\xff\xfe", b"9" * 5000])
def test_a_port_that_is_none_means_that_no_agent_runs(folder: Path, content: bytes) -> None:
    (folder / "port").write_bytes(content)
    with pytest.raises(AgentUnreachableError), Client.of(folder) as client:
        client.status()
