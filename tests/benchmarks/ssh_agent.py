"""Sign through ssh-agent and its PKCS#11 helper, in the agent's own protocol (draft-ietf-sshm-ssh-agent)."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import running
from support.softhsm import SoftHsm
from support.waiting import wait_until

REQUEST_IDENTITIES, IDENTITIES_ANSWER = 11, 12
SIGN_REQUEST, SIGN_RESPONSE = 13, 14
RSA_SHA2_256 = 2


class SshAgent:
    """A connection to an ssh-agent."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))

    def close(self) -> None:
        self._socket.close()

    def list_keys(self) -> list[bytes]:
        """The public keys that it holds."""
        answer = self._ask(bytes([REQUEST_IDENTITIES]), IDENTITIES_ANSWER)
        count, rest, keys = int.from_bytes(answer[:4]), answer[4:], []
        for _ in range(count):
            key, rest = _cut(rest)
            _, rest = _cut(rest)
            keys.append(key)
        return keys

    def sign(self, key: bytes, data: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 over the SHA-256 of the data, which the agent computes."""
        request = bytes([SIGN_REQUEST]) + _string(key) + _string(data) + RSA_SHA2_256.to_bytes(4)
        blob, _ = _cut(self._ask(request, SIGN_RESPONSE))
        _, signature = _cut(blob)
        return _cut(signature)[0]

    def _ask(self, request: bytes, expected: int) -> bytes:
        self._socket.sendall(_string(request))
        answer = self._read(int.from_bytes(self._read(4)))
        if answer[0] != expected:
            raise RuntimeError(f"ssh-agent answers {answer[0]}")
        return answer[1:]

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise RuntimeError("ssh-agent has hung up")
            data += part
        return data


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4) + data


def _cut(data: bytes) -> tuple[bytes, bytes]:
    """The first string, and what follows."""
    length = 4 + int.from_bytes(data[:4])
    return data[4:length], data[length:]


@contextlib.contextmanager
def ssh_agent(folder: Path, token: SoftHsm) -> Iterator[SshAgent]:
    """An ssh-agent that has the keys of the token."""
    folder.mkdir()
    path, module = folder / "agent", os.path.realpath(token.module)
    with running(("ssh-agent", "-D", "-P", module, "-a", str(path)), token.env):
        wait_until(path.exists, "ssh-agent")
        _add(folder, token, module, path)
        with contextlib.closing(SshAgent(path)) as agent:
            yield agent


def _add(folder: Path, token: SoftHsm, module: str, path: Path) -> None:
    """ssh-add takes the code from a program only."""
    answers = folder / "askpass"
    answers.write_text(f"#!/bin/sh\necho {token.pin}\n")
    answers.chmod(0o700)
    env = {**token.env, "SSH_AUTH_SOCK": str(path), "SSH_ASKPASS": str(answers), "SSH_ASKPASS_REQUIRE": "force"}
    done = subprocess.run(("ssh-add", "-s", module), env=env, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        raise RuntimeError(f"ssh-add: {done.stderr}")
