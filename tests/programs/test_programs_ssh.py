"""OpenSSH at the door: its programs list the keys, its agent signs with them, and it logs in to a server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from support.door import Door, why_no_programs
from support.mechanisms import CONTENT
from support.waiting import wait_until

from drivers.base import KeyRole

MISSING = why_no_programs("ssh", "ssh-keygen", "ssh-agent", "ssh-add", "openssl", "Xvfb", "xwininfo")
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=str(MISSING))
WHO = "camille@cabinet.example"
GREETING = "come in"
CONFIGURATION = """
StrictHostKeyChecking no
UserKnownHostsFile known
IdentityAgent none
"""


def public_key(door: Door, role: KeyRole) -> str:
    """The key of the certificate in OpenSSH's own form, as its own program writes it."""
    door.write_certificate(role)
    return door.programs.run("ssh-keygen", "-i", "-m", "PKCS8", "-f", f"{role}.pub").strip()


@contextlib.contextmanager
def with_agent(door: Door) -> Iterator[Door]:
    """The same door with an ssh-agent that has taken its keys."""
    path = door.folder / "agent.sock"
    serve = ("ssh-agent", "-D", "-P", door.module, "-a", str(path))
    started = subprocess.Popen(serve, env=door.env, stdout=subprocess.DEVNULL)
    try:
        wait_until(path.exists, "ssh-agent")
        with_it = replace(door, env={**door.env, "SSH_AUTH_SOCK": str(path)})
        with_it.programs.run("ssh-add", "-s", door.module, env=_answer_nothing(door.folder))
        yield with_it
    finally:
        started.terminate()
        started.wait(10)


def _answer_nothing(folder: Path) -> dict[str, str]:
    """ssh-add asks for a code before it looks whether the card wants one; nothing is given."""
    answers = folder / "askpass"
    answers.write_text("#!/bin/sh\necho\n")
    answers.chmod(0o700)
    return {"SSH_ASKPASS": str(answers), "SSH_ASKPASS_REQUIRE": "force"}


def test_ssh_keygen_lists_both_keys(card: Door) -> None:
    listed = {" ".join(line.split()[:2]) for line in card.programs.run("ssh-keygen", "-D", card.module).splitlines()}
    assert {public_key(card, role) for role in KeyRole} <= listed


def test_ssh_agent_signs_and_ssh_keygen_verifies(card: Door) -> None:
    key = public_key(card, KeyRole.AUTHENTICATION)
    (card.folder / "key.pub").write_text(key + "\n")
    (card.folder / "allowed").write_text(f"{WHO} {key}\n")
    (card.folder / "content").write_bytes(CONTENT)
    with with_agent(card) as door:
        assert key.split()[1] in door.programs.run("ssh-add", "-L")
        door.programs.run("ssh-add", "-T", "key.pub")
        door.programs.run("ssh-keygen", "-Y", "sign", "-f", "key.pub", "-n", "file", "content")
    verify = ("-Y", "verify", "-f", "allowed", "-I", WHO, "-n", "file", "-s", "content.sig")
    assert "Good" in card.programs.run("ssh-keygen", *verify, content=CONTENT)


async def test_ssh_logs_in_to_a_server(card: Door) -> None:
    (card.folder / "config").write_text(f"PKCS11Provider {card.module}\n{CONFIGURATION}")
    async with server(public_key(card, KeyRole.AUTHENTICATION)) as port:
        words = ("ssh", "-F", "config", "-p", str(port), "camille@127.0.0.1", "greet")
        said = await asyncio.to_thread(card.programs.run, *words, content=b"")
    assert GREETING in said


@contextlib.asynccontextmanager
async def server(key: str) -> AsyncIterator[int]:
    """A server of SSH that lets this key in, and greets; gives its port."""

    def greet(process: asyncssh.SSHServerProcess[str]) -> None:
        process.stdout.write(f"{GREETING}\n")
        process.exit(0)

    listening = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        authorized_client_keys=asyncssh.import_authorized_keys(key), process_factory=greet,
    )  # fmt: skip
    async with listening:
        yield listening.get_port()
