"""Signatures through the API, beside other ways to one key of one SoftHSM2 token, taking turns."""

from __future__ import annotations

import contextlib
import statistics
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.contenders import BARE, CONTENDERS, DIGEST, OURS, PROMISES, Sign, Token
from benchmarks.table import Row, Value
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from support.softhsm import softhsm_token

from drivers.base import Digest, KeyRole
from drivers.card.signatures import is_signature_of
from drivers.virtual.personalisation import DEFAULT

ROUNDS, BLOCK = 20, 25
ABOVE_BARE_MS = 0.5


def measure(bench: Bench) -> list[Row]:
    """A row for each contender: the median of a signature, its 99th percentile, and how many in a second."""
    bench.say(f"a SoftHSM2 token, and {len(CONTENDERS)} ways to its key")
    data_dir = bench.data_folder("signatures")
    token, certificate_der = make_token(bench, data_dir, KeyRole.SIGNATURE)
    with contextlib.ExitStack() as stack:
        signers = {name: stack.enter_context(start(bench, token)) for name, start in CONTENDERS}
        for name, sign in signers.items():
            _, signature = sign(bench.count(10))
            if not is_signature_of(certificate_der, Digest("sha256", DIGEST), signature):
                raise RuntimeError(f"{name}: another key has signed")
        taken = cells(take_turns(bench, signers, ROUNDS, BLOCK))
    return [_row(name, taken[OURS], theirs) for name, theirs in taken.items() if name != OURS]


def make_token(bench: Bench, data_dir: Path, role: KeyRole) -> tuple[Token, bytes]:
    """A SoftHSM2 token of its own, and the certificate of its key of that role."""
    hsm = softhsm_token(bench.folder / f"softhsm-{data_dir.name}", data_dir)
    (path,) = (data_dir / "virtual" / "cards" / DEFAULT.serial).glob(f"{role}-*.der")
    key = x509.load_der_x509_certificate(path.read_bytes()).public_key()
    assert isinstance(key, RSAPublicKey)
    return Token(hsm, key.public_numbers().n.to_bytes(256), data_dir), path.read_bytes()


def take_turns(bench: Bench, signers: dict[str, Sign], rounds: int, block: int) -> dict[str, list[list[float]]]:
    """A B C, C B A, and so on: what else the machine does falls on all of them."""
    times: dict[str, list[list[float]]] = {name: [] for name in signers}
    for number in range(bench.count(rounds)):
        order = list(signers) if number % 2 == 0 else list(reversed(signers))
        for name in order:
            times[name].append(signers[name](bench.count(block))[0])
    return times


def cells(times: dict[str, list[list[float]]]) -> dict[str, tuple[Value, ...]]:
    """What the table shows of each."""
    return {name: _cell(rounds) for name, rounds in times.items()}


def _cell(rounds: list[list[float]]) -> tuple[Value, ...]:
    """Medians over the rounds for the median and the rate; the percentile is one of all."""
    every = sorted(time for times in rounds for time in times)
    return (
        Value(statistics.median(map(statistics.median, rounds)) * 1000, "ms", "p50"),
        Value(every[min(len(every) - 1, len(every) * 99 // 100)] * 1000, "ms", "p99"),
        Value(statistics.median(len(times) / sum(times) for times in rounds), "/s"),
    )


def _row(name: str, ours: tuple[Value, ...], theirs: tuple[Value, ...]) -> Row:
    if name not in (BARE, PROMISES):
        return Row("signature (raw, RSA 2048)", ours, name, theirs)
    above_ms = ours[0].number - theirs[0].number
    aim = f"≤ {ABOVE_BARE_MS} ms above at p50 (here {above_ms:.2f})"
    return Row("signature (raw, RSA 2048)", ours, name, theirs, aim, above_ms <= ABOVE_BARE_MS)
