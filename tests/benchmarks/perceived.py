"""What a person waits for, with a card that takes 30, 100 or 260 ms for each exchange, beside OpenSC."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.bench import NONCE, SITE, Bench, Inserter, RunningAgent, inserter, running_agent
from benchmarks.exchanges import DIGEST_INFO, run_opensc, sign_arguments
from benchmarks.table import Row, Value, figure
from support.pcscd import PcscdHandle, private_pcscd
from support.waiting import wait_until

DELAYS_MS = (30, 100, 260)
QUICK_DELAYS_MS = (1, 2, 3)
TOKENS = 5
BESIDE_CARD_MS = 10
POLL_S = 0.005
APART_S = 0.3


@dataclass(frozen=True)
class Waiting:
    """Milliseconds from beginning to end, of them the card's own, and the pauses left to other programs."""

    total: float
    card: float
    gaps: float

    @property
    def rest(self) -> float:
        """What the programs between the person and the card took."""
        return self.total - self.card - self.gaps


def measure(bench: Bench) -> list[Row]:
    """Each delay with a card that the agent has never seen."""
    rows = []
    for delay_ms in QUICK_DELAYS_MS if bench.quick else DELAYS_MS:
        bench.say(f"a card of {delay_ms} ms for each exchange")
        rows += _measure(bench, delay_ms)
    return rows


def _measure(bench: Bench, delay_ms: int) -> list[Row]:
    data_dir = bench.data_folder(f"perceived-{delay_ms}")
    (bench.folder / "info").write_bytes(DIGEST_INFO)
    with private_pcscd() as pcscd, inserter(data_dir, pcscd, delay_ms) as card:
        with running_agent(data_dir, env=pcscd.env) as agent:
            unknown = _insert(card, agent)
            card.pull()
            wait_until(lambda: not agent.states(), "the removal")
            known = _insert(card, agent)
            token = _token(bench, card, agent)
        listing = _opensc(card, pcscd, "-O")
        slots = _opensc(card, pcscd, "-L")
        signing = _opensc(card, pcscd, *sign_arguments(bench.folder))
    named = f"card of {delay_ms} ms: "
    rest = figure(
        f"{named}token, beside the card's own time", token.rest, "ms", "pkcs11-tool --login --sign", signing.rest,
        aim=f"≤ {BESIDE_CARD_MS} ms", met=token.rest <= BESIDE_CARD_MS,
    )  # fmt: skip
    return [
        Row(f"{named}insertion to identity, unknown card", _cell(unknown), "pkcs11-tool -O", _cell(listing)),
        Row(f"{named}insertion to identity, known card", _cell(known), "pkcs11-tool -L", _cell(slots)),
        Row(f"{named}request to Web eID token", _cell(token), "pkcs11-tool --login --sign", _cell(signing)),
        rest,
    ]


def _insert(card: Inserter, agent: RunningAgent) -> Waiting:
    """From the moment that the card has power, which pcscd decides, until its holder is known."""
    seen = card.observe()
    card.insert()
    while agent.states() != ["ready"]:
        time.sleep(POLL_S)
    return Waiting((time.perf_counter() - seen.powered_at) * 1000, seen.card_s * 1000, seen.gaps_s * 1000)


def _token(bench: Bench, card: Inserter, agent: RunningAgent) -> Waiting:
    """The median of several after a first one; between them a person looks elsewhere."""
    waits = []
    for _ in range(bench.count(TOKENS) + 1):
        time.sleep(APART_S)
        waits.append(_wait(card, lambda: agent.client.authenticate(SITE, NONCE)))
    middle = statistics.median_low(wait.rest for wait in waits[1:])
    return next(wait for wait in waits[1:] if wait.rest == middle)


def _opensc(card: Inserter, pcscd: PcscdHandle, *arguments: str) -> Waiting:
    return _wait(card, lambda: run_opensc(pcscd, *arguments))


def _wait(card: Inserter, work: Callable[[], object]) -> Waiting:
    seen, started = card.observe(), time.perf_counter()
    work()
    return Waiting((time.perf_counter() - started) * 1000, seen.card_s * 1000, seen.gaps_s * 1000)


def _cell(wait: Waiting) -> tuple[Value, ...]:
    return Value(wait.total, "ms"), Value(wait.card, "ms", "card"), Value(wait.gaps, "ms", "gaps")
