"""Programs that sign with one key of one SoftHSM2 token, each its own way."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, bare_server, free_port, running, running_agent
from benchmarks.ssh_agent import ssh_agent
from support.door_program import CLIENT
from support.pcscd import private_pcscd
from support.softhsm import SoftHsm
from support.waiting import wait_until

from drivers.virtual.personalisation import DEFAULT

CONTENT = b"content"
DIGEST = hashlib.sha256(CONTENT).digest()
KEY_ID = DEFAULT.key_id(DEFAULT.signature).hex()
SIGNER = Path(__file__).with_name("pkcs11_signer.py")

Sign = Callable[[int], tuple[list[float], bytes]]
"""Sign so many times; gives how long each took, in seconds, and the last signature."""


@dataclass(frozen=True)
class Token:
    """The token, and the modulus of the key that all sign with."""

    hsm: SoftHsm
    modulus: bytes
    data_dir: Path


def timed(sign: Callable[[], bytes]) -> Sign:
    """Time a function that signs once."""

    def run(count: int) -> tuple[list[float], bytes]:
        times, signature = [], b""
        for _ in range(count):
            started = time.perf_counter()
            signature = sign()
            times.append(time.perf_counter() - started)
        return times, signature

    return run


@contextlib.contextmanager
def in_process(_bench: Bench, token: Token) -> Iterator[Sign]:
    """python-pkcs11 in the program that wants the signature; its session is kept."""
    with _pkcs11(token, str(token.hsm.module), {}) as sign:
        yield sign


@contextlib.contextmanager
def through_p11_kit(bench: Bench, token: Token) -> Iterator[Sign]:
    """The same through `p11-kit server`, as its client module reaches it."""
    path = bench.folder / "p11-kit"
    serve = ("p11-kit", "server", "-f", "-n", str(path), "--provider", str(token.hsm.module.resolve()), "pkcs11:")
    with running(serve, token.hsm.env):
        wait_until(path.exists, "p11-kit server")
        with _pkcs11(token, str(CLIENT), {"P11_KIT_SERVER_ADDRESS": f"unix:path={path}"}) as sign:
            yield sign


def _pkcs11(token: Token, module: str, env: dict[str, str]) -> contextlib.AbstractContextManager[Sign]:
    arguments = (str(SIGNER), module, token.hsm.serial, token.hsm.pin, KEY_ID)
    return asked_child(arguments, {**token.hsm.env, **env})


@contextlib.contextmanager
def asked_child(arguments: Sequence[str], env: Mapping[str, str]) -> Iterator[Sign]:
    """A Python program that does something as often as it is told, and answers how long each took."""
    with subprocess.Popen(
        (sys.executable, *arguments), env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def sign(count: int) -> tuple[list[float], bytes]:
            assert process.stdin
            assert process.stdout
            process.stdin.write(f"{count}\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            return answer["times"], bytes.fromhex(answer["signature"])

        try:
            yield sign
        finally:
            process.terminate()


@contextlib.contextmanager
def through_ssh_agent(bench: Bench, token: Token) -> Iterator[Sign]:
    """ssh-agent with the module in its helper, over its socket; it hashes the content itself."""
    with ssh_agent(bench.folder / "ssh", token.hsm) as agent:
        key = next(key for key in agent.list_keys() if token.modulus in key)
        yield timed(lambda: agent.sign(key, CONTENT))


@contextlib.contextmanager
def bare_handler(_bench: Bench, token: Token, *flags: str) -> Iterator[Sign]:
    """A handler of aiohttp that signs in a worker thread; its session is kept."""
    port, hsm = free_port(), token.hsm
    key = ("--module", str(hsm.module), "--serial", hsm.serial, "--pin", hsm.pin, "--id", KEY_ID)
    with running(bare_server(port, *key, *flags), hsm.env), _connection(port) as connection:
        wait_for_server(port)

        def sign() -> bytes:
            answer = _post(connection, "/sign", {"digest": base64.b64encode(DIGEST).decode()}, {})
            return base64.b64decode(answer["signature"])

        yield timed(sign)


@contextlib.contextmanager
def bare_handler_that_logs_in(bench: Bench, token: Token) -> Iterator[Sign]:
    """The same, logged in for each signature alone, as a code that is not kept demands."""
    with bare_handler(bench, token, "--login-each") as sign:
        yield sign


@contextlib.contextmanager
def bare_handler_that_promises(bench: Bench, token: Token) -> Iterator[Sign]:
    """The same with what else the agent promises: the signature checked, and its entry on the disk before it leaves."""
    with bare_handler(bench, token, "--journal", str(bench.folder / "journal.db")) as sign:
        yield sign


@contextlib.contextmanager
def through_the_agent(_bench: Bench, token: Token) -> Iterator[Sign]:
    """The agent through its API, in the format raw, beside an empty PC/SC reader."""
    with contextlib.ExitStack() as stack:
        pcscd = stack.enter_context(private_pcscd())
        env = {**token.hsm.env, "PCSCLITE_CSOCK_NAME": str(pcscd.socket_path)}
        agent = stack.enter_context(running_agent(token.data_dir, "--module", str(token.hsm.module), env=env))
        connection = stack.enter_context(_connection(agent.client.port))
        headers = {"Authorization": f"Bearer {agent.client.token}"}
        document = {"name": "a", "digest": base64.b64encode(DIGEST).decode(), "digestAlgorithm": "sha256"}
        body = {"format": "raw", "documents": [document], "cardNumber": token.hsm.serial}

        def sign() -> bytes:
            (signature,) = _post(connection, "/v1/signatures", body, headers)["signatures"]
            return base64.b64decode(signature["content"])

        yield timed(sign)


@contextlib.contextmanager
def _connection(port: int) -> Iterator[http.client.HTTPConnection]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        yield connection


def wait_for_server(port: int) -> None:
    """Until something listens there."""

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listens, "the server")


def _post(connection: http.client.HTTPConnection, path: str, body: Any, headers: dict[str, str]) -> Any:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    answer = json.loads(response.read())
    if response.status != 200:
        raise RuntimeError(f"{path} answers {response.status}: {answer}")
    return answer


def missing_programs() -> list[str]:
    """What is not installed."""
    return [name for name in ("ssh-agent", "ssh-add", "p11-kit") if not shutil.which(name)]


Contender = Callable[[Bench, Token], contextlib.AbstractContextManager[Sign]]

OURS = "through the agent's API"
BARE = "bare aiohttp handler and worker thread"
PROMISES = "the same, checked and noted on disk as well"
CONTENDERS: Sequence[tuple[str, Contender]] = (
    ("in-process python-pkcs11", in_process),
    ("ssh-agent", through_ssh_agent),
    ("p11-kit server", through_p11_kit),
    (BARE, bare_handler),
    ("the same, logged in for each signature", bare_handler_that_logs_in),
    (PROMISES, bare_handler_that_promises),
    (OURS, through_the_agent),
)
