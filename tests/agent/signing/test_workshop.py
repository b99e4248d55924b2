"""The process that writes signatures: it does its work, and whatever it does wrong costs itself alone."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.openssl import verify_cms
from support.signing_keys import SigningKey

from agent.access.callers import Caller, CallerKind
from agent.signing import workshop
from agent.signing.documents import Document
from agent.signing.errors import DocumentRefusedError, TermsRefusedError, WorkshopError
from agent.signing.preparation import SignatureTerms
from agent.signing.words import Format, Level, Packaging
from agent.signing.workshop import Task, Workshop

OpenShop = Callable[..., Workshop]
PAGE = Caller(CallerKind.PAGE, "https://dmp.example", "/usr/bin/browser")
TERMS = SignatureTerms(Format.CMS, Level.B, Packaging.DETACHED)


def task(*documents: Document, packaging: Packaging = Packaging.DETACHED) -> Task:
    return Task("cms", SignatureTerms(Format.CMS, Level.B, packaging), documents or (Document.of("a", b"text"),))


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


async def one(shop: Workshop, key: SigningKey, work: Task, owner: Caller = PAGE) -> list[bytes]:
    async with shop.job(owner) as job:
        await job.check(work)
        made = await job.prepare(work, key.signer())
        assert [each.hash_name for each in made] == ["sha256"] * len(work.documents)
        return await job.complete([key.sign_digest(each.digest) for each in made])


async def test_documents_are_signed_in_their_order(open_shop: OpenShop, key: SigningKey, tmp_path: Path) -> None:
    key.write_chain(tmp_path)
    contents = [b"first", b"second"]
    documents = [Document.of(content.decode(), content) for content in contents]
    signatures = await one(open_shop(), key, task(*documents, packaging=Packaging.ENVELOPING))
    for content, signature in zip(contents, signatures, strict=True):
        verify_cms(tmp_path, signature, content, detached=False)


async def test_a_worker_rests_between_two_jobs(open_shop: OpenShop, key: SigningKey) -> None:
    shop, pids = open_shop(), []
    for _ in range(2):
        await one(shop, key, task())
        pids.append([each.process.pid for each in shop._resting])
    assert pids[0] == pids[1]
    assert len(pids[0]) == 1


async def test_a_rested_worker_ends(open_shop: OpenShop, key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop, "REST_S", 0.05)
    shop = open_shop()
    async with shop.job(PAGE) as job:
        process = job._process
    await asyncio.wait_for(process.wait(), 10)
    assert process.returncode == 0
    assert shop._resting == []


async def test_a_worker_that_died_at_rest_is_replaced(open_shop: OpenShop, key: SigningKey) -> None:
    shop = open_shop()
    await one(shop, key, task())
    process = shop._resting[0].process
    process.kill()
    await process.wait()
    assert len(await one(shop, key, task())) == 1


async def test_a_refusal_names_the_document_and_keeps_the_worker(open_shop: OpenShop, key: SigningKey) -> None:
    shop = open_shop()
    absent = Document("b.pdf", None, bytes(32))
    async with shop.job(PAGE) as job:
        with pytest.raises(DocumentRefusedError) as refused:
            await job.check(task(Document.of("a", b""), absent, packaging=Packaging.ENVELOPING))
        assert refused.value.document == "b.pdf"
        with pytest.raises(TermsRefusedError):
            await job.check(Task("cms", SignatureTerms(Format.CMS, Level.B, Packaging.DETACHED, reason="x")))
        await job.check(task())
    assert len(shop._resting) == 1


MADE = {"name": "a", "media_type": "x/y", "hash_name": "sha256", "digest": "A" * 43 + "="}
ANSWERS: dict[str, dict[str, Any]] = {
    "announces too many bytes": {"type": "Completed", "blobs": [99999999999]},
    "negative length": {"type": "Completed", "blobs": [-1]},
    "another answer": {"type": "Checked"},
    "more than was asked for": {"type": "Prepared", "made": [MADE, MADE]},
    "another hash": {"type": "Prepared", "made": [MADE | {"hash_name": "none"}]},
    "an error that is none": {"type": "Failed", "error": "SystemExit", "message": "x"},
}
SILENT = "says nothing"
BAD = {
    "ends at once": "",
    SILENT: "sys.stdin.read()",
    "announces too much": "write(b'\\xff' * 400)",
    "no JSON": "write(b'\\0\\0\\0\\2xx')",
    **{
        name: f"header = {json.dumps(answer).encode()!r}; write(len(header).to_bytes(4, 'big') + header)"
        for name, answer in ANSWERS.items()
    },
}


@pytest.mark.parametrize("name", BAD)
async def test_a_worker_that_goes_wrong_is_told_and_not_used_again(
    open_shop: OpenShop, key: SigningKey, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for one that only names an error that there is not: it has done nothing else than was asked for."""
    monkeypatch.setattr(workshop, "END_S", 0.2)
    if name == SILENT:
        monkeypatch.setattr(workshop, "ORDER_S", 0.1)
        monkeypatch.setattr(workshop, "EACH_S", 0.0)
    written = "import sys; write = sys.stdout.buffer.write\n" + BAD[name] + "\nsys.stdout.flush(); "
    shop = open_shop(python(written + ("sys.stdin.read()" if BAD[name] else "")))
    with pytest.raises(WorkshopError):
        async with shop.job(PAGE) as job:
            await job.prepare(task(), key.signer())
    assert bool(shop._resting) is (name == "an error that is none")


async def test_a_command_that_is_not_there_is_told(open_shop: OpenShop) -> None:
    with pytest.raises(WorkshopError):
        async with open_shop(["/nonexistent"]).job():
            pass


async def test_whoever_stops_waiting_leaves_no_worker_behind(
    open_shop: OpenShop, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "END_S", 0.2)
    shop = open_shop(python("import time; time.sleep(60)"))
    started: asyncio.Future[asyncio.subprocess.Process] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        async with shop.job() as job:
            started.set_result(job._process)
            await job.prepare(task(), key.signer())

    waiting = asyncio.create_task(wait())
    process = await started
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.wait_for(process.wait(), 10)


async def test_who_comes_when_all_workers_are_lent_waits(open_shop: OpenShop) -> None:
    shop = open_shop(python("import sys; sys.stdin.read()"))
    jobs = [shop.job() for _ in range(workshop.MOST)]
    for job in jobs:
        await job.__aenter__()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), shop.job():
            pass
    for job in jobs:
        await job.__aexit__(None, None, None)
    async with shop.job():
        pass


async def test_a_worker_has_no_secret_of_the_environment(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_SOMEBODY", "x")
    async with open_shop(python("import sys; sys.stdin.read()")).job() as job:
        environment = Path(f"/proc/{job._process.pid}/environ").read_bytes()
    assert b"SECRET_OF_SOMEBODY" not in environment


async def test_a_worker_holds_no_socket_of_the_agent(open_shop: OpenShop) -> None:
    async with open_shop(python("import sys; sys.stdin.read()")).job() as job:
        held = Path(f"/proc/{job._process.pid}/fd").iterdir()
        links = [str(each.readlink()) for each in held if int(each.name) > 2]
    assert not [link for link in links if link.startswith("socket:")]
