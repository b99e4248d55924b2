"""Attacks on batches, and what stops one in the middle: nothing signed is lost, nothing is signed twice."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from batch_calls import FOUR, Interruption, encode, make, manifest, put, run, signature, start, wait_for_reader
from support.agent import PAGE, DeskPresence, Person, RunningAgent, running_agent
from support.certomancer import Pki
from support.cms_files import SIGNATURE_STAMP, Parts, verify_stamp
from support.jose import run_verifier
from support.openssl import verify_cms, write_chain

from agent.access.errors import StoreError
from agent.access.journal import Journal, JournalEntry
from agent.people.prompt import PinRequest
from agent.signing import batches, workshop
from drivers.virtual.link import VirtualReaders
from drivers.virtual.trace import TracedCard

OTHER = "https://other.example"
UNKNOWN = "/v1/batches/" + "0" * 32
TWENTY = {f"{number:02}.txt": b"%d" % number for number in range(20)}
COUNT = 1000


async def test_a_pulled_card_pauses_and_the_same_card_goes_on(
    batching: RunningAgent, person: Person, readers: VirtualReaders, slowly: TracedCard, tmp_path: Path
) -> None:
    write_chain(tmp_path, (await batching.page("GET", "/v1/certificates")).body["certificates"][0])
    path = await make(batching, TWENTY)
    interruption = Interruption(slowly)
    interruption.plan(5, readers.remove)
    body = await run(batching, path)
    assert (body["state"], body["problem"]["code"]) == ("paused", "card-removed")
    assert 4 <= body["signed"] < 20
    assert [each["state"] for each in body["documents"]] == ["signed"] * body["signed"] + ["ready"] * body["left"]
    first = await signature(batching, path, 0)
    await wait_for_reader(batching, "empty")
    assert (await run(batching, path))["problem"]["code"] == "card-absent"
    readers.insert(slowly)
    await wait_for_reader(batching, "ready")
    before = interruption.signatures
    assert (await run(batching, path))["state"] == "done"
    assert interruption.signatures - before == body["left"]
    assert await signature(batching, path, 0) == first
    for place, content in enumerate(TWENTY.values()):
        verify_cms(tmp_path, await signature(batching, path, place), content)
    assert [len(asked.subjects) for asked in person.asked if isinstance(asked, PinRequest)] == [20, body["left"]]


async def test_what_stops_a_running_batch(batching: RunningAgent, slowly: TracedCard, presence: DeskPresence) -> None:
    """A locked screen, the person's own "lock", a dead worker, a grant taken back: paused before the next slice."""
    path, interruption = await make(batching, TWENTY), Interruption(slowly)
    stops: list[tuple[str, Callable[[], Any]]] = [
        ("batch-stopped", presence.leave),
        ("batch-stopped", lambda: batching.page("POST", "/v1/pin/lock", {})),
        ("batch-stopped", lambda: batching.page("POST", f"{path}/stop", {})),
        ("signing-failed", kill_workers),
    ]
    signed = 0
    for code, deed in stops:
        interruption.plan(2, deed)
        body = await run(batching, path)
        assert (body["state"], body["problem"]["code"]) == ("paused", code)
        assert signed < body["signed"] < 20 or code == "signing-failed"
        signed = body["signed"]
    interruption.plan(2, lambda: revoke(batching))
    await start(batching, path)
    await wait_for_journal(batching, "grant-required")
    assert (await batching.page("GET", path)).code == "grant-required"
    assert (await batching.page("POST", "/v1/grants", {"abilities": ["batch"]})).status == 201
    assert (await batching.page("GET", path)).body["signed"] < 20
    assert (await run(batching, path))["signed"] == 20


def kill_workers() -> None:
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"_signing" in (path / "cmdline").read_bytes():
                os.kill(int(path.name), signal.SIGKILL)


async def revoke(agent: RunningAgent) -> None:
    for grant in (await agent.program("GET", "/v1/grants")).body["grants"]:
        await agent.program("DELETE", f"/v1/grants/{grant['id']}")


async def wait_for_journal(agent: RunningAgent, outcome: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            for entry in (await agent.program("GET", "/v1/journal")).body["entries"]:
                if entry["action"] == "sign-batch-digests" and entry["outcome"] == outcome:
                    return dict(entry)
            await asyncio.sleep(0.02)


async def test_attack_the_id_is_worth_nothing_to_another_caller(batching: RunningAgent, person: Person) -> None:
    path = await make(batching, FOUR)
    calls = [
        ("GET", "", None), ("GET", "/documents/0", None), ("POST", "/start", {}), ("POST", "/stop", {}),
        ("DELETE", "", None),
    ]  # fmt: skip
    for method, end, body in calls:
        assert (await batching.page(method, path + end, body, origin=OTHER)).code == "grant-required"
    await batching.page("POST", "/v1/grants", {"abilities": ["batch"]}, origin=OTHER)
    person.asked.clear()
    for method, end, body in calls:
        theirs = await batching.page(method, path + end, body, origin=OTHER)
        nobodys = await batching.page(method, UNKNOWN + end, body, origin=OTHER)
        assert (theirs.status, theirs.body) == (404, nobodys.body)
    assert (await put(batching, f"{path}/documents/0", b"a" * 9, origin=OTHER)).code == "not-found"
    assert (await batching.page("GET", "/v1/batches", origin=OTHER)).body == {"batches": []}
    assert person.asked == []
    assert (await batching.program("GET", path)).code == "grant-required"
    assert (await batching.program("POST", "/v1/grants", {"abilities": ["batch"]})).status == 201
    for method, end, body in calls:
        assert (await batching.program(method, path + end, body)).code == "not-found"
    (mine,) = (await batching.page("GET", "/v1/batches")).body["batches"]
    assert (mine["state"], mine["left"]) == ("waiting", 4)


async def test_attack_manifests(batching: RunningAgent, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    good = manifest(FOUR)
    document = good["documents"][0]
    bad = {
        "1001 documents": good | {"documents": [document | {"name": str(number)} for number in range(1001)]},
        "no documents": good | {"documents": []},
        "two of one name": good | {"documents": [document, document]},
        "a huge name": good | {"documents": [document | {"name": "x" * 300}]},
        "no digest": good | {"documents": [{"name": "a"}]},
        "a short digest": good | {"documents": [document | {"digest": encode(bytes(20))}]},
        "a content": good | {"documents": [document | {"content": encode(b"x")}]},
        "a negative size": good | {"documents": [document | {"size": -1}]},
        "raw": good | {"format": "raw"},
        "raw for one": good | {"documents": [document | {"format": "raw"}]},
        "an unknown format": good | {"format": "word"},
        "a level that JWS lacks": good | {"documents": [document | {"format": "jws", "level": "T"}]},
        "a code": good | {"pin": "1234"},
        "an option of another format": good | {"reason": "lu et approuvé"},
    }
    for case, body in bad.items():
        answer = await batching.page("POST", "/v1/batches", body)
        assert (answer.status, answer.code) == (400, "bad-request"), case
    assert (await batching.page("POST", "/v1/batches", good | {"level": "T"})).code == "timestamp-unset"
    assert (await batching.page("GET", "/v1/batches")).body == {"batches": []}
    monkeypatch.setattr(batches, "MOST", 2)
    made = [await make(batching, FOUR) for _ in range(2)]
    assert (await batching.page("POST", "/v1/batches", good)).code == "too-many-requests"
    assert (await batching.page("DELETE", made[0])).status == 204
    assert (await batching.page("GET", made[0])).code == "not-found"
    monkeypatch.setattr(batches, "REST_S", 0.05)
    path = await make(batching, FOUR)
    async with asyncio.timeout(30):
        while path in [f"/v1/batches/{each['id']}" for each in await list_batches(batching)]:
            await asyncio.sleep(0.02)
    assert person.asked == []


async def list_batches(agent: RunningAgent) -> list[dict[str, Any]]:
    return list((await agent.page("GET", "/v1/batches")).body["batches"])


async def test_attack_contents(batching: RunningAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = {"a": b"abc", "b": b"defg"}
    path = await make(batching, contents, packaging="enveloping")
    assert (await put(batching, f"{path}/documents/0", b"abd")).code == "digest-mismatch"
    assert (await put(batching, f"{path}/documents/0", b"")).code == "digest-mismatch"
    assert (await put(batching, f"{path}/documents/1", b"abc")).code == "digest-mismatch"
    assert (await put(batching, f"{path}/documents/0", bytes(17 * 1024 * 1024))).code == "body-too-large"
    for place in ("2", "-1", "0x0", "\u0660", "99999999999999999999", "00000"):
        answer = await put(batching, f"{path}/documents/{encode_path(place)}", b"abc")
        assert answer.code == "bad-request", place
    as_json = await batching.page("PUT", f"{path}/documents/0", {"content": "AAAA"})
    assert as_json.code == "unsupported-media"
    monkeypatch.setattr(batches, "ROOM", 6)
    assert (await put(batching, f"{path}/documents/0", b"abc")).status == 204
    assert (await put(batching, f"{path}/documents/1", b"defg")).code == "batch-room"
    monkeypatch.undo()
    assert (await put(batching, f"{path}/documents/1", b"defg")).status == 204
    sized = manifest({"a": b"abc"})
    sized["documents"][0]["size"] = 4
    other = "/v1/batches/" + (await batching.page("POST", "/v1/batches", sized)).body["id"]
    assert (await put(batching, f"{other}/documents/0", b"abc")).code == "digest-mismatch"
    states = [each["state"] for each in (await batching.page("GET", path)).body["documents"]]
    assert states == ["ready", "ready"]


def encode_path(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


@asynccontextmanager
async def listening(agent: RunningAgent, origin: str) -> AsyncIterator[list[dict[str, Any]]]:
    """The batch events that a page hears while the block runs."""
    heard: list[dict[str, Any]] = []
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(f"http://127.0.0.1:{agent.port}/v1/events", headers={"Origin": origin})
        assert (await socket.receive_json())["type"] == "state"

        async def listen() -> None:
            heard.extend([event async for message in socket if (event := message.json())["type"] == "batch-progress"])

        task = asyncio.create_task(listen())
        yield heard
        await socket.close()
        await task


async def test_attack_calls_while_a_batch_runs(batching: RunningAgent, person: Person, slowly: TracedCard) -> None:
    """Two starts at once, a content after the start, another batch, the listener next door, and DELETE at last."""
    await batching.page("POST", "/v1/grants", {"abilities": ["batch", "events"]}, origin=OTHER)
    person.asked.clear()
    path, other = await make(batching, TWENTY), await make(batching, FOUR)
    running = asyncio.Event()
    Interruption(slowly).plan(2, running.set)
    async with listening(batching, PAGE) as mine, listening(batching, OTHER) as theirs:
        both = await asyncio.gather(start(batching, path), start(batching, path))
        assert sorted(answer.status for answer in both) == [202, 409]
        await running.wait()
        assert (await put(batching, f"{path}/documents/0", b"0")).code == "batch-state"
        assert (await start(batching, other)).code == "too-many-requests"
        assert (await batching.page("GET", f"{path}/documents/0")).code == "batch-unsigned"  # the journal comes first
        assert (await batching.page("DELETE", path)).status == 204
        signed, _, rest = (await wait_for_journal(batching, "cancelled"))["subject"].partition("/20, ")
        assert 1 <= int(signed) < 20
        assert rest
        assert (await batching.page("GET", path)).code == "not-found"
        assert (await run(batching, other))["state"] == "done"
    assert theirs == []
    identity = path.rsplit("/", 1)[1]
    codes = [event["code"] for event in mine if event["id"] == identity]
    assert (codes[0], codes[-1]) == ("asking", "cancelled")
    last = mine[-1]
    assert (last["code"], last["signed"], last["failed"], last["left"]) == ("done", 4, 0, 0)


async def test_a_thousand_documents(batching: RunningAgent, person: Person) -> None:
    contents = {f"ordonnance {number}.pdf": b"%d" % number for number in range(COUNT)}
    path = await make(batching, contents, format="jades", packaging="detached")
    body = await run(batching, path)
    assert (body["state"], body["signed"]) == ("done", COUNT)
    with run_verifier() as verifier:
        for place in (0, 64, 517, COUNT - 1):
            header, _ = verifier.verify(await signature(batching, path, place), b"", ["sigD"])
            assert header["sigD"]["pars"] == [f"ordonnance%20{place}.pdf"]
    (asked,) = person.asked
    assert isinstance(asked, PinRequest)
    assert len(asked.subjects) == COUNT
    (entry,) = (await batching.program("GET", "/v1/journal?limit=1")).body["entries"]
    assert entry["exchanges"] <= 3.1 * COUNT
    assert (await batching.page("GET", "/v1/batches")).body["batches"][0]["left"] == 0


async def test_an_authority_that_fails_costs_one_signature_and_delays_the_others(
    folder: Path, person: Person, readers: VirtualReaders, card: TracedCard, pki: Pki, tmp_path: Path
) -> None:
    stamps = {"timestamp_url": pki.url("tsa/tsa"), "timestamp_authorities": (pki.root,), "timestamp_hosts": (pki.host,)}
    async with running_agent(folder, person, readers, **stamps) as agent:
        await agent.page("POST", "/v1/grants", {"abilities": ["batch"]})
        path, counted = await make(agent, TWENTY, level="T"), Interruption(card)
        with pki.mood("tsa/tsa", "nonsense"):
            body = await run(agent, path)
        assert (body["state"], body["problem"]["code"]) == ("paused", "timestamp-failed")
        assert (body["signed"], body["failed"], body["left"]) == (0, 0, 20)
        assert body["documents"][0]["problem"]["code"] == "timestamp-failed"
        assert counted.signatures == 1
        assert (await run(agent, path))["signed"] == 20
        assert counted.signatures == 21
        for place in (0, 19):
            parts = Parts(await signature(agent, path, place))
            verify_stamp(pki, tmp_path, parts.token(SIGNATURE_STAMP), parts.value)


async def test_attack_what_the_journal_cannot_keep_is_not_handed_out(
    batching: RunningAgent, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = await make(batching, FOUR), await make(batching, {"a": b"a"}, packaging="enveloping")
    await put(batching, f"{other}/documents/0", b"a")
    with monkeypatch.context() as full:
        full.setattr(Journal, "record", refuse)
        body = await run(batching, path)
        assert (await run(batching, other))["failed"] == 1  # its content is not kept for a second time
    assert (body["state"], body["problem"]["code"], body["signed"]) == ("paused", "storage-failed", 0)
    assert (await batching.page("GET", f"{path}/documents/0")).code == "batch-unsigned"
    assert (await run(batching, path))["signed"] == 4


async def refuse(_journal: Journal, _entry: JournalEntry) -> None:
    raise StoreError


async def test_a_question_is_taken_back_by_stop(batching: RunningAgent, person: Person) -> None:
    path, asked = await make(batching, FOUR), asyncio.Event()

    async def wait() -> None:
        asked.set()
        await asyncio.Event().wait()

    person.on_ask = wait
    await start(batching, path)
    await asked.wait()
    answer = await batching.page("POST", f"{path}/stop", {})
    assert (answer.status, answer.body["state"], answer.body["problem"]["code"]) == (200, "paused", "batch-stopped")
    person.on_ask = None
    assert (await run(batching, path))["signed"] == 4


DEADLY = """
import os
from agent.signing import worker
describe = worker._describe
def describe_or_die(unsigned):
    if unsigned.name == "c.txt":
        os._exit(139)
    return describe(unsigned)
worker._describe = describe_or_die
worker.main()
"""


async def test_attack_a_document_that_ends_its_worker_fails_alone(
    folder: Path, person: Person, readers: VirtualReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "child_command", lambda _: [sys.executable, "-c", DEADLY])
    async with running_agent(folder, person, readers) as agent:
        await agent.page("POST", "/v1/grants", {"abilities": ["batch"]})
        path = await make(agent, FOUR)
        for _ in range(2):  # all of them together, then each by itself
            body = await run(agent, path)
            assert (body["state"], body["problem"]["code"]) == ("paused", "signing-failed")
        body = await run(agent, path)
    assert (body["state"], body["signed"], body["failed"]) == ("done", 3, 1)
    assert [each["state"] for each in body["documents"]] == ["signed", "signed", "failed", "signed"]
