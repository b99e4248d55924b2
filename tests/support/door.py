"""The agent's door for real programs: where it is, what is behind it, and p11-kit's own client module."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.door_program import CLIENT
from support.journal import uses_of
from support.openssl import openssl, write_pem
from support.pcscd import PcscdHandle, private_pcscd
from support.processes import agent_program, virtual_card
from support.quiet import Quiet
from support.waiting import wait_until

from agent.client import Client
from drivers.base import KeyRole

SOCKET_NAME = "p11-kit.sock"


def why_no_programs(*names: str) -> str | None:
    """What is missing for a program behind the door, or None."""
    missing = [name for name in (*names, "setsid") if not shutil.which(name)]
    if CLIENT is None:
        missing.append("p11-kit-client.so")
    return f"not installed: {', '.join(missing)}" if missing else None


@dataclass(frozen=True)
class Door:
    """An agent that runs, and programs that see its door alone; `folder` is theirs to write to."""

    client: Client
    data_dir: Path
    folder: Path
    env: Mapping[str, str]
    pcscd: PcscdHandle | None = field(default=None)

    @property
    def module(self) -> str:
        return str(CLIENT)

    @property
    def programs(self) -> Quiet:
        return Quiet(self.env, self.folder)

    def certificate(self, role: KeyRole) -> dict[str, Any]:
        """What the agent's API tells of the certificate of that role."""
        return next(each for each in self.client.certificates() if each["role"] == role)

    def write_certificate(self, role: KeyRole) -> Path:
        """`ROLE.pem`, and its public key beside it as `ROLE.pub`, and chain.pem up to the root."""
        certificate = self.certificate(role)
        path = self.folder / f"{role}.pem"
        write_pem(path, base64.b64decode(certificate["certificate"]))
        write_pem(self.folder / "chain.pem", *map(base64.b64decode, certificate["chain"]))
        openssl(self.folder, "x509", "-in", path.name, "-noout", "-pubkey", "-out", f"{role}.pub")
        return path

    def uses(self, after: int = 0) -> list[dict[str, Any]]:
        """The journal's entries about callers with greater ids, newest first; a hundred at most."""
        return [use for use in uses_of(self.client.journal(100)) if use["id"] > after]

    def latest_use(self) -> int:
        """The id of the journal's newest entry about a caller, or 0."""
        return next((use["id"] for use in self.uses()), 0)


def door_env(data_dir: Path) -> dict[str, str]:
    """The environment of a program that is to find this door, and no screen."""
    address = f"unix:path={data_dir / SOCKET_NAME}"
    return {**os.environ, "DISPLAY": "", "P11_KIT_SERVER_ADDRESS": address, "LC_ALL": "C.UTF-8"}


@contextlib.contextmanager
def door_over_pcscd(data_dir: Path, folder: Path, *flags: str) -> Iterator[Door]:
    """The agent as a program, unattended, with the virtual CPS3 in a reader of a private pcscd."""
    with contextlib.ExitStack() as stack:
        pcscd = stack.enter_context(private_pcscd())
        client = stack.enter_context(agent_program(data_dir, "--unattended", *flags, env=pcscd.env))
        stack.enter_context(virtual_card(data_dir, pcscd.vpcd_port))
        wait_until(lambda: is_ready(client), "the card")
        yield Door(client, data_dir, folder, door_env(data_dir), pcscd)


@contextlib.contextmanager
def embedded_door(data_dir: Path, folder: Path, *flags: str) -> Iterator[Door]:
    """The agent as a program, unattended, with test cards in itself; `flags` say which."""
    with agent_program(data_dir, "--unattended", *flags) as client:
        wait_until(lambda: is_ready(client), "the card")
        yield Door(client, data_dir, folder, door_env(data_dir))


def is_ready(client: Client) -> bool:
    """Whether a card was read."""
    return any(reader["state"] == "ready" for reader in client.status().get("readers", []))
