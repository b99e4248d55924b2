"""A daemon of our own in another process, for the demonstration: started, waited for, and ended."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.children import child_command
from agent.client import AgentUnreachableError, Client
from drivers.virtual.names import DEFAULT_KIND

START_S = 60.0  # the first start of a virtual card makes its keys
LOOK_S = 0.02


@contextmanager
def embedded_agent(data_dir: Path, port: int = 0, kind: str = DEFAULT_KIND) -> Iterator[Client]:
    """An agent on an embedded test card, unattended, until the block ends. Raises AgentUnreachableError."""
    flags = ["--virtual", "--virtual-kind", kind, "--unattended", "--port", str(port), "--data-dir", str(data_dir)]
    process = subprocess.Popen(
        child_command("serve", *flags), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        with _connect(process, data_dir) as client:
            yield client
    finally:
        if process.returncode is None:
            process.terminate()
            process.communicate()


def _connect(process: subprocess.Popen[bytes], data_dir: Path) -> Client:
    end = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < end:
        try:
            client = Client.of(data_dir)
            client.status()
        except AgentUnreachableError:
            time.sleep(LOOK_S)
        else:
            return client
    process.terminate()
    _, complaint = process.communicate()
    raise AgentUnreachableError(complaint.decode(errors="replace").strip() or "the agent did not start")
