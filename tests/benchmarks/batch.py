"""A batch on a slow card: what it takes beside the card's own time, its exchanges for each document, and the pauses."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

from benchmarks.bench import Bench, Inserter, RunningAgent, inserter, running_agent
from benchmarks.signing import wait_for_end
from benchmarks.table import Row, Value
from support.pcscd import private_pcscd

from agent.client import Client
from agent.sending import Sha256, ToSign

DELAY_MS, QUICK_DELAY_MS = 100, 5
COUNT = 150
AIM = 0.10


def measure(bench: Bench) -> list[Row]:
    """One row, beside the sum of the card's own answers."""
    delay_ms = QUICK_DELAY_MS if bench.quick else DELAY_MS
    bench.say(f"a batch of {bench.count(COUNT)} on a card of {delay_ms} ms per exchange")
    data_dir = bench.data_folder("batch")
    with private_pcscd() as pcscd, inserter(data_dir, pcscd, delay_ms) as card:
        card.insert()
        with running_agent(data_dir, "--unattended", env=pcscd.env) as agent:
            agent.wait_for_card()
            sign(agent.client, 1)  # consent, and a worker that is there
            return [_measure(bench, agent, card, delay_ms)]


def _measure(bench: Bench, agent: RunningAgent, card: Inserter, delay_ms: int) -> Row:
    count = bench.count(COUNT)
    path = prepare(agent.client, count)
    seen = card.observe()
    began = time.perf_counter()
    agent.client.request("POST", f"{path}/start", {})
    ended = wait_for_end(agent, path)
    took_s = time.perf_counter() - began
    if ended["signed"] != count:
        raise RuntimeError(str(ended))
    share = 1 - seen.card_s / took_s
    ours = (
        Value(took_s, "s"),
        Value(seen.exchanges / count, "exchanges each"),
        Value(seen.gaps_s, "s", "left to other programs"),
    )
    aim = f"≤ {AIM:.0%} of the time is not the card's (here {share:.1%})"
    name = f"card of {delay_ms} ms: {count} documents (CMS), one code"
    return Row(name, ours, "the card's own time", (Value(seen.card_s, "s"),), aim, share <= AIM)


def prepare(client: Client, count: int) -> str:
    """A new batch of hashes; gives its path."""
    batch = client.make_batch(list(_list_documents(count)))
    return f"/v1/batches/{batch['id']}"


def _list_documents(count: int) -> Iterator[ToSign]:
    for number in range(count):
        yield ToSign(f"{number}", Sha256(hashlib.sha256(b"%d" % number).digest()))


def sign(client: Client, count: int) -> None:
    """Have as many signed by an ordinary call."""
    client.sign([(f"{number}.txt", b"content") for number in range(count)])
