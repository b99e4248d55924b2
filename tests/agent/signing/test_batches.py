"""Batches through the API, with a virtual card: one consent, one code, every document by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from batch_calls import FOUR, make, manifest, put, run, signature, start
from support.agent import Person, RunningAgent, running_agent
from support.openssl import verify_cms, write_chain

from agent.people.prompt import Action, PinRequest, PromptRefusedError
from drivers.virtual.link import VirtualReaders
from drivers.virtual.pad import VirtualPad
from drivers.virtual.trace import TracedCard


async def chain(batching: RunningAgent, folder: Path) -> None:
    write_chain(folder, (await batching.page("GET", "/v1/certificates")).body["certificates"][0])


async def last_entry(batching: RunningAgent, action: str) -> dict[str, Any]:
    entries = (await batching.program("GET", "/v1/journal")).body["entries"]
    return next(dict(entry) for entry in entries if entry["action"] == action)


async def test_hashes_are_signed_with_one_code(batching: RunningAgent, person: Person, tmp_path: Path) -> None:
    await chain(batching, tmp_path)
    person.session = True
    assert (await batching.page("POST", "/v1/pin/verify", {})).status == 200
    assert (await batching.page("GET", "/v1/cards")).body["cards"][0]["pin"]["state"] == "session"  # a code is kept
    person.asked.clear()
    path = await make(batching, FOUR)
    body = await run(batching, path)
    assert (body["state"], body["signed"], body["failed"], body["left"]) == ("done", 4, 0, 0)
    for place, content in enumerate(FOUR.values()):
        verify_cms(tmp_path, await signature(batching, path, place), content)
    (asked,) = person.asked
    assert isinstance(asked, PinRequest)
    assert (asked.action, asked.subjects, asked.unseen, asked.format) == (
        Action.SIGN_BATCH,
        tuple(FOUR),
        4,
        "CMS / CAdES-B",
    )
    assert asked.session_minutes is None
    entry = await last_entry(batching, "sign-batch-digests")
    assert (entry["outcome"], entry["caller"]) == ("ok", "https://dmp.example")
    assert entry["subject"].startswith("4/4, CMS / CAdES-B: a.txt, b.txt")
    assert entry["exchanges"] == 8 + 3 * 3


async def test_contents_that_signatures_hold_are_uploaded(
    batching: RunningAgent, person: Person, tmp_path: Path
) -> None:
    await chain(batching, tmp_path)
    path = await make(batching, FOUR, packaging="enveloping")
    answer = await start(batching, path)
    assert (answer.status, answer.code) == (409, "batch-incomplete")
    for place, content in enumerate(FOUR.values()):
        for _ in range(2):  # the same again is the same
            assert (await put(batching, f"{path}/documents/{place}", content)).status == 204
    assert [each["seen"] for each in (await batching.page("GET", path)).body["documents"]] == [True] * 4
    assert (await run(batching, path))["signed"] == 4
    for place, content in enumerate(FOUR.values()):
        verify_cms(tmp_path, await signature(batching, path, place), content, detached=False)
    assert isinstance(person.asked[0], PinRequest)
    assert (person.asked[0].unseen, person.asked[0].sizes) == (0, (9, 9, 9, 9))
    assert (await last_entry(batching, "sign-batch"))["outcome"] == "ok"


async def test_each_document_may_have_its_own_terms_and_fail_alone(
    batching: RunningAgent, person: Person, tmp_path: Path
) -> None:
    await chain(batching, tmp_path)
    body = manifest(FOUR)
    body["documents"][1] |= {"format": "cades", "packaging": "enveloping"}
    body["documents"][2] |= {"format": "pades"}
    path = "/v1/batches/" + (await batching.page("POST", "/v1/batches", body)).body["id"]
    for place in (1, 2):
        assert (await put(batching, f"{path}/documents/{place}", list(FOUR.values())[place])).status == 204
    ended = await run(batching, path)
    assert (ended["state"], ended["signed"], ended["failed"]) == ("done", 3, 1)
    assert ended["documents"][2]["problem"]["code"] == "document-refused"  # a text is no PDF
    assert (await batching.page("GET", f"{path}/documents/2")).code == "document-refused"
    assert isinstance(person.asked[0], PinRequest)
    assert person.asked[0].subjects == ("a.txt", "b.txt", "d.txt")
    for place, content in enumerate(FOUR.values()):
        if place == 2:
            continue
        verify_cms(tmp_path, await signature(batching, path, place), content, detached=place != 1)


async def test_a_wrong_code_or_a_no_pauses_and_the_right_code_goes_on(batching: RunningAgent, person: Person) -> None:
    path = await make(batching, FOUR)
    assert (await batching.page("GET", f"{path}/documents/0")).code == "batch-unsigned"
    person.pin = "9999"
    body = await run(batching, path)
    assert (body["state"], body["problem"]["code"], body["left"]) == ("paused", "pin-wrong", 4)
    assert (await last_entry(batching, "sign-batch-digests"))["outcome"] == "pin-wrong"
    person.refuses = PromptRefusedError()
    assert (await run(batching, path))["problem"]["code"] == "pin-refused"
    person.refuses, person.pin = None, "1234"
    assert (await batching.program("DELETE", "/v1/denials")).status == 204
    assert (await run(batching, path))["state"] == "done"
    answer = await start(batching, path)
    assert (answer.status, answer.code) == (409, "batch-state")


async def test_on_a_reader_with_keys_the_code_is_typed_there(folder: Path, person: Person, card: TracedCard) -> None:
    pad = VirtualPad()
    async with running_agent(folder, person, VirtualReaders([card], pad=pad)) as agent:
        await agent.page("POST", "/v1/grants", {"abilities": ["batch"]})
        path = await make(agent, FOUR)
        pad.type("9999")
        assert (await run(agent, path))["problem"]["code"] == "pin-wrong"
        pad.type("1234")
        assert (await run(agent, path))["signed"] == 4
        cancelled = await make(agent, FOUR)
        pad.cancel()
        body = await run(agent, cancelled)
    assert (body["state"], body["problem"]["code"], body["left"]) == ("paused", "pin-refused", 4)
