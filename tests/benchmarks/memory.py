"""Memory of the daemon, idle, after its first CMS signature, after one at the door, and of a worker with a PKCS#11 module."""

from __future__ import annotations

import time

from benchmarks.bench import NO_SERVICE, Bench, bare_server, free_port, inserter, running, running_agent
from benchmarks.contenders import wait_for_server
from benchmarks.exchanges import sign_through_door
from benchmarks.proc import Memory, children, read_memory
from benchmarks.table import Row, Value
from support.pcscd import private_pcscd
from support.softhsm import softhsm_token

SETTLE_S = 10.0
IDLE_MB, SIGNED_MB = 60, 90


def measure(bench: Bench) -> list[Row]:
    """The aims are for all that is mapped in (RSS), the strictest count."""
    bench.say("memory")
    bare = _bare(bench)
    idle, signed = _daemon(bench)
    return [
        _row("memory, idle, card read", idle, bare, IDLE_MB),
        _row("memory after the first CMS signature", signed, bare, SIGNED_MB),
        _row("memory after the first signature of a program at the door", _door(bench), bare),
        _row("memory of a worker with SoftHSM2", _worker(bench), bare),
    ]


def _bare(bench: Bench) -> Memory:
    with running(bare_server(port := free_port())) as process:
        wait_for_server(port)
        time.sleep(bench.wait_s(1))
        return read_memory(process.pid)


def _daemon(bench: Bench) -> tuple[Memory, Memory]:
    data_dir = bench.data_folder("memory")
    with private_pcscd() as pcscd, inserter(data_dir, pcscd) as card, running_agent(data_dir, env=pcscd.env) as agent:
        card.insert()
        agent.wait_for_card()
        time.sleep(bench.wait_s(SETTLE_S))
        idle = read_memory(agent.process.pid)
        agent.client.sign([("a.txt", b"content")])
        return idle, read_memory(agent.process.pid)


def _door(bench: Bench) -> Memory:
    data_dir = bench.data_folder("memory-door")
    with private_pcscd() as pcscd, inserter(data_dir, pcscd) as card, running_agent(data_dir, env=pcscd.env) as agent:
        card.insert()
        agent.wait_for_card()
        sign_through_door(data_dir)
        return read_memory(agent.process.pid)


def _worker(bench: Bench) -> Memory:
    data_dir = bench.data_folder("worker")
    token = softhsm_token(bench.folder / "worker-softhsm", data_dir)
    env = {**token.env, "PCSCLITE_CSOCK_NAME": NO_SERVICE["PCSCLITE_CSOCK_NAME"]}
    with running_agent(data_dir, "--module", str(token.module), env=env) as agent:
        agent.client.sign_raw([("a", bytes(32))], card_number=token.serial)
        (worker,) = children(agent.process.pid)
        return read_memory(worker)


def _row(name: str, ours: Memory, bare: Memory, limit: int | None = None) -> Row:
    aim, met = (f"≤ {limit} MB", ours.resident <= limit) if limit else ("", None)
    return Row(name, _cell(ours), "bare aiohttp server", _cell(bare), aim, met)


def _cell(memory: Memory) -> tuple[Value, ...]:
    return Value(memory.resident, "MB"), Value(memory.share, "MB", "share"), Value(memory.own, "MB", "own")
