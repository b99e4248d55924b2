"""From the start of the program to its first answer, beside a server that has nothing but aiohttp."""

from __future__ import annotations

import http.client
import subprocess
import time

from benchmarks.bench import NO_SERVICE, Bench, bare_server, end, free_port, median_ms
from benchmarks.table import Row, figure
from support.processes import command

STARTS = 15
AT_MOST = 1.5
POLL_S = 0.001
DEADLINE_S = 30.0


def measure(bench: Bench) -> list[Row]:
    """Both kinds of agent and the bare server, taking turns."""
    bench.say("starts")
    folder = str(bench.data_folder("starting"))
    agent = command("serve", "--unattended", "--data-dir", folder)
    times: dict[str, list[float]] = {"bare": [], "embedded test card": [], "no PC/SC service": []}
    for _ in range(bench.count(STARTS) + 1):
        times["bare"].append(_start(bare_server(port := free_port()), port))
        times["embedded test card"].append(_start([*agent, "--virtual", "--port", str(port := free_port())], port))
        times["no PC/SC service"].append(_start([*agent, "--port", str(port := free_port())], port))
    medians = {name: median_ms(each[1:]) for name, each in times.items()}  # the first start fills the file cache
    return [_row(name, ours_ms, medians["bare"]) for name, ours_ms in medians.items() if name != "bare"]


def _row(name: str, ours_ms: float, bare_ms: float) -> Row:
    met = ours_ms <= AT_MOST * bare_ms
    return figure(
        f"start to first answer, {name}",
        ours_ms,
        "ms",
        "bare aiohttp server",
        bare_ms,
        aim=f"≤ {AT_MOST} times",
        met=met,
    )


def _start(arguments: list[str], port: int) -> float:
    """Seconds until GET /v1/status is answered."""
    started = time.perf_counter()
    process = subprocess.Popen(
        arguments, env=NO_SERVICE, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - started > DEADLINE_S:
                raise RuntimeError(f"does not start: {' '.join(arguments)}")
            time.sleep(POLL_S)
        return time.perf_counter() - started
    finally:
        end(process)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.request("GET", "/v1/status")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
