"""Attacks through the process that reads documents: one that a document took over answers as it likes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable

import pytest
from support.signing_keys import SigningKey

from agent.access.callers import Caller, CallerKind
from agent.signing import workshop
from agent.signing.documents import Document
from agent.signing.errors import WorkshopError
from agent.signing.preparation import SignatureTerms
from agent.signing.words import Format, Level, Packaging
from agent.signing.workshop import Task, Workshop

OpenShop = Callable[..., Workshop]
PAGE = Caller(CallerKind.PAGE, "https://evil.example", "/usr/bin/browser")
PROGRAM = Caller(CallerKind.PROGRAM, "/usr/bin/lps")
TERMS = SignatureTerms(Format.CMS, Level.B, Packaging.DETACHED)
TASK = Task("cms", TERMS, (Document.of("a", b"text"),))


def answering(*made: dict[str, str]) -> list[str]:
    """The command of a worker that has these hashes signed, whatever it is asked."""
    header = json.dumps({"type": "Prepared", "made": made})
    program = f"""
import sys
header = {header!r}.encode()
sys.stdout.buffer.write(len(header).to_bytes(4, "big") + header)
sys.stdout.flush()
sys.stdin.read()
"""
    return [sys.executable, "-c", program]


def hashed(name: str, digest: str) -> dict[str, str]:
    return {"name": "a", "media_type": "x/y", "hash_name": name, "digest": digest}


ANSWERING = """
import sys
read = sys.stdin.buffer.read
while size := read(4):
    read(int.from_bytes(size, "big"))
    read(4)
    sys.stdout.buffer.write(len({answer}).to_bytes(4, "big") + {answer})
    sys.stdout.flush()
"""
"""A worker that gives the same answer again and again; an order here has one document, of four bytes."""

LIES = {
    "a weak hash": [hashed("sha1", "A" * 27 + "=")],
    "any value": [hashed("none", "AAAA")],
    "a short hash": [hashed("sha256", "AAAA")],
    "one more": [hashed("sha256", "A" * 43 + "=")] * 2,
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("apart", [False, True])
async def test_attack_a_worker_has_other_hashes_signed(
    open_shop: OpenShop, key: SigningKey, lie: str, apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "END_S", 0.2)
    shop = open_shop(answering(*LIES[lie]))
    async with shop.job(PAGE) as job:
        order = job.prepare_apart(TASK, key.signer(), go_on=False) if apart else job.prepare(TASK, key.signer())
        with pytest.raises(WorkshopError):
            await order
    assert shop._resting == []


async def test_attack_a_worker_that_a_page_took_over_waits_for_another_callers_documents(open_shop: OpenShop) -> None:
    answer = b'{"type":"Checked"}'
    shop, pids = open_shop([sys.executable, "-c", ANSWERING.format(answer=answer)]), []
    for caller in (PAGE, PROGRAM, None, Caller(CallerKind.PROGRAM, ""), Caller(CallerKind.PROGRAM, ""), PAGE):
        async with shop.job(caller) as job:
            await job.check(TASK)
            pids.append(job._process.pid)
    assert pids[-1] == pids[0]
    assert len(set(pids)) == len(pids) - 1


async def test_attack_many_callers_leave_many_workers(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop, "END_S", 0.2)
    shop = open_shop([sys.executable, "-c", "import sys; sys.stdin.read()"])
    for number in range(10):
        async with shop.job(Caller(CallerKind.PAGE, f"https://{number}.example")):
            pass
    assert len(shop._resting) == workshop.MOST


async def test_attack_one_caller_keeps_all_workers_busy(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop, "END_S", 0.2)
    shop = open_shop([sys.executable, "-c", "import sys; sys.stdin.read()"])
    jobs = [shop.job(PAGE) for _ in range(workshop.MOST_OF_ONE)]
    for job in jobs:
        await job.__aenter__()
    waiting = asyncio.create_task(shop.job(Caller(PAGE.kind, PAGE.name, "/usr/bin/other")).__aenter__())
    async with asyncio.timeout(30), shop.job(PROGRAM):
        assert not waiting.done()
    await jobs[0].__aexit__(None, None, None)
    await asyncio.wait_for(waiting, 5)
