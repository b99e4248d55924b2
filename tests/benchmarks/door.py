"""The door beside stock `p11-kit server`, and SoftHSM2 in the program itself: one token, one client, taking turns."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench, running, running_agent
from benchmarks.contenders import DIGEST, SIGNER, Sign, Token, asked_child
from benchmarks.signatures import cells, make_token, take_turns
from benchmarks.table import Row, Value
from support.door import SOCKET_NAME
from support.door_program import CLIENT
from support.pcscd import private_pcscd
from support.waiting import wait_until

from drivers.base import Digest, KeyRole
from drivers.card.signatures import is_signature_of
from drivers.virtual.personalisation import DEFAULT

CALLER = Path(__file__).with_name("pkcs11_caller.py")
KEY_ID = DEFAULT.key_id(DEFAULT.authentication).hex()
ROUND_TRIP, SIGNATURE = "door: round trip (C_GetSessionInfo)", "door: signature (RSA 2048, its size asked first)"
OURS, STOCK, IN_PROCESS = "the door", "p11-kit server, SoftHSM2", "SoftHSM2 in the program"
ROUNDS, CALLS, SIGNATURES = 20, 500, 20
BESIDE = (STOCK, IN_PROCESS)


@dataclass(frozen=True)
class Way:
    """A module, and the environment in which it finds the token."""

    module: str
    env: Mapping[str, str]


def measure(bench: Bench) -> list[Row]:
    """How long a call takes that needs no card, and a signature."""
    bench.say("the door, p11-kit's own server, and a module in the program")
    data_dir = bench.data_folder("door")
    token, certificate_der = make_token(bench, data_dir, KeyRole.AUTHENTICATION)
    with contextlib.ExitStack() as stack:
        ways = {name: stack.enter_context(start(bench, token)) for name, start in WAYS.items()}
        calling = {name: stack.enter_context(_caller(way)) for name, way in ways.items()}
        signing = {name: stack.enter_context(_signer(way, token)) for name, way in ways.items()}
        for name, sign in signing.items():
            if not is_signature_of(certificate_der, Digest("sha256", DIGEST), sign(1)[1]):
                raise RuntimeError(f"{name}: another key has signed")
        calls = cells(take_turns(bench, calling, ROUNDS, CALLS))
        signatures = cells(take_turns(bench, signing, ROUNDS, SIGNATURES))
    return [*_rows(ROUND_TRIP, calls), *_rows(SIGNATURE, signatures)]


@contextlib.contextmanager
def _ours(bench: Bench, token: Token) -> Iterator[Way]:
    """The agent with the token's module, beside an empty PC/SC reader."""
    with private_pcscd() as pcscd:
        env = {**token.hsm.env, "PCSCLITE_CSOCK_NAME": str(pcscd.socket_path)}
        with running_agent(token.data_dir, "--module", str(token.hsm.module), env=env) as agent:
            wait_until(agent.client.cards, "the token")
            yield _through(token, token.data_dir / SOCKET_NAME)


@contextlib.contextmanager
def _stock(bench: Bench, token: Token) -> Iterator[Way]:
    path = bench.folder / "p11-kit-door"
    serve = ("p11-kit", "server", "-f", "-n", str(path), "--provider", str(token.hsm.module.resolve()), "pkcs11:")
    with running(serve, token.hsm.env):
        wait_until(path.exists, "p11-kit server")
        yield _through(token, path)


@contextlib.contextmanager
def _in_process(_bench: Bench, token: Token) -> Iterator[Way]:
    yield Way(str(token.hsm.module), token.hsm.env)


def _through(token: Token, path: Path) -> Way:
    return Way(str(CLIENT), {**token.hsm.env, "P11_KIT_SERVER_ADDRESS": f"unix:path={path}"})


WAYS: dict[str, Callable[[Bench, Token], contextlib.AbstractContextManager[Way]]] = {
    OURS: _ours,
    STOCK: _stock,
    IN_PROCESS: _in_process,
}


def _caller(way: Way) -> contextlib.AbstractContextManager[Sign]:
    return asked_child((str(CALLER), way.module), way.env)


def _signer(way: Way, token: Token) -> contextlib.AbstractContextManager[Sign]:
    return asked_child((str(SIGNER), way.module, token.hsm.serial, token.hsm.pin, KEY_ID), way.env)


def _rows(name: str, taken: Mapping[str, tuple[Value, ...]]) -> list[Row]:
    return [Row(name, taken[OURS], beside, taken[beside]) for beside in BESIDE]
