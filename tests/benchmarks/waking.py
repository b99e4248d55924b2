"""How often an idle daemon is woken, beside a server that has nothing but aiohttp; all in the same span of time."""

from __future__ import annotations

import contextlib
import time

from benchmarks.bench import NO_SERVICE, Bench, bare_server, free_port, inserter, running, running_agent
from benchmarks.contenders import wait_for_server
from benchmarks.proc import read_switches
from benchmarks.table import Row, figure
from support.pcscd import private_pcscd

SETTLE_S, SPAN_S = 12.0, 30.0
NO_SERVICE_NAME = "no PC/SC service"


def measure(bench: Bench) -> list[Row]:
    """Context switches of all threads of each process."""
    bench.say("wake-ups when idle")
    with contextlib.ExitStack() as stack:
        processes = _start_all(bench, stack)
        time.sleep(bench.wait_s(SETTLE_S))
        before = {name: read_switches(pid) for name, pid in processes.items()}
        time.sleep(bench.wait_s(SPAN_S))
        after = {name: read_switches(pid) for name, pid in processes.items()}
    counts = {name: _count(bench, name, before[name], after[name]) for name in processes}
    bare = counts.pop("bare")
    span = f"{bench.wait_s(SPAN_S):g} s"
    return [_row(f"context switches in {span}, idle, {name}", name, ours, bare) for name, ours in counts.items()]


def _row(title: str, name: str, ours: int, bare: int) -> Row:
    if name == NO_SERVICE_NAME:  # nothing tells when a service starts: it is asked again, up to a minute apart
        return figure(title, ours, "", "bare aiohttp server", bare)
    return figure(title, ours, "", "bare aiohttp server", bare, aim="0", met=ours == 0)


def _start_all(bench: Bench, stack: contextlib.ExitStack) -> dict[str, int]:
    with_card, empty = stack.enter_context(private_pcscd()), stack.enter_context(private_pcscd())
    data_dir = bench.data_folder("waking-card")
    card = stack.enter_context(inserter(data_dir, with_card))
    agents = {
        "card in the reader": stack.enter_context(running_agent(data_dir, env=with_card.env)),
        "reader without card": stack.enter_context(running_agent(bench.data_folder("waking-empty"), env=empty.env)),
        NO_SERVICE_NAME: stack.enter_context(running_agent(bench.data_folder("waking-none"), env=NO_SERVICE)),
    }
    card.insert()
    agents["card in the reader"].wait_for_card()
    for agent in agents.values():
        agent.client.close()
    bare = stack.enter_context(running(bare_server(port := free_port())))
    wait_for_server(port)
    return {name: agent.process.pid for name, agent in agents.items()} | {"bare": bare.pid}


def _count(bench: Bench, name: str, before: dict[str, int], after: dict[str, int]) -> int:
    woken = {thread: count - before.get(thread, 0) for thread, count in after.items()}
    for thread, count in woken.items():
        if count:
            bench.say(f"{name}: thread {thread} was woken {count} times")
    return sum(woken.values())
