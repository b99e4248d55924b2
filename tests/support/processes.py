"""The agent and the virtual card as programs of their own, started and ended by the test."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.waiting import wait_until

from agent.client import AgentUnreachableError, Client


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "agent", *arguments]


@contextlib.contextmanager
def program(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a command of the agent until the block ends; it must then end by itself on SIGTERM."""
    process = subprocess.Popen(
        command(*arguments), env=env or os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


@contextlib.contextmanager
def agent_program(data_dir: Path, *flags: str, env: Mapping[str, str] | None = None) -> Iterator[Client]:
    """A daemon of its own on a free port; gives its client."""
    with program("serve", "--port", "0", "--data-dir", str(data_dir), *flags, env=env) as process:
        wait_until(lambda: process.poll() is not None or answers(data_dir), "the agent")
        assert process.poll() is None, process.stdout and process.stdout.read()
        with Client.of(data_dir) as client:
            yield client


def answers(data_dir: Path) -> bool:
    try:
        with Client.of(data_dir) as client:
            client.status()
    except AgentUnreachableError:
        return False
    return True


@contextlib.contextmanager
def virtual_card(data_dir: Path, port: int, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """The virtual card of a data folder, plugged into vpcd."""
    with program("virtual-card", "--vpcd", f"127.0.0.1:{port}", "--data-dir", str(data_dir), *flags) as process:
        yield process
