"""`cps-agent batch`: files signed with one code, through a pulled card, each failure by its name."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from batch_calls import Interruption
from support.agent import Person, RunningAgent
from support.openssl import verify_cms, write_chain

from agent.commands import batch
from agent.commands.exits import Exit
from agent.commands.parser import make_parser
from agent.people.prompt import PinRequest, PromptRefusedError
from drivers.virtual.link import VirtualReaders
from drivers.virtual.trace import TracedCard

Output = pytest.CaptureFixture[str]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.txt").write_bytes(b"%d" % number)
    (folder / ".hidden").write_bytes(b"")
    return folder


async def run(agent: RunningAgent, *words: str | Path) -> int:
    arguments = make_parser().parse_args(["batch", "--data-dir", str(agent.folder), *map(str, words)])
    return int(await asyncio.to_thread(arguments.run, arguments))


async def test_a_folder_is_signed_although_the_card_is_pulled(
    batching: RunningAgent,
    person: Person,
    readers: VirtualReaders,
    slowly: TracedCard,
    documents: Path,
    tmp_path: Path,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_chain(tmp_path, (await batching.page("GET", "/v1/certificates")).body["certificates"][0])
    interruption = Interruption(slowly)
    interruption.plan(4, readers.remove)
    wait = batch._wait_for_card

    def put_back(client: batch.Client) -> None:
        if not any(state.atr for state in readers.list_states()):
            readers.insert(slowly)
        wait(client)

    monkeypatch.setattr(batch, "_wait_for_card", put_back)
    monkeypatch.setattr(batch, "GONE_S", 0.1)
    output = tmp_path / "signed"
    assert await run(batching, "--from-dir", documents, "--output", output) == 0
    assert sorted(path.name for path in output.iterdir()) == [f"{number:02}.txt.p7s" for number in range(12)]
    for number in range(12):
        verify_cms(tmp_path, (output / f"{number:02}.txt.p7s").read_bytes(), b"%d" % number)
    asked = [each for each in person.asked if isinstance(each, PinRequest)]
    assert len(asked[0].subjects) == 12
    assert 0 < len(asked[1].subjects) <= 9
    assert interruption.signatures <= 12 + 1  # one that was under way when the card was pulled
    assert (asked[0].unseen, len(asked[0].sizes)) == (0, 12)
    captured = capsys.readouterr()
    assert "12" in captured.out
    assert "card-removed" in captured.err
    assert (await batching.program("GET", "/v1/batches")).body == {"batches": []}


async def test_what_cannot_be_signed_is_listed_and_the_rest_is_there(
    batching: RunningAgent, person: Person, documents: Path, tmp_path: Path, capsys: Output
) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("documents/01.txt\ndocuments/02.txt\n", encoding="utf-8")
    words = ("--manifest", listed, "--digest-only", "--json")
    assert await run(batching, *words, "--format", "pades", "--output", tmp_path / "a") == Exit.SIGNING
    answer = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in answer["failed"]] == ["01.txt", "02.txt"]
    assert not [each for each in person.asked if isinstance(each, PinRequest)]
    assert await run(batching, *words, "--output", tmp_path / "b") == 0
    assert len(json.loads(capsys.readouterr().out)["signatures"]) == 2
    assert isinstance(person.asked[-1], PinRequest)
    assert person.asked[-1].unseen == 2
    assert await run(batching, *words, "--output", tmp_path / "b") == Exit.USAGE  # nothing is overwritten
    assert await run(batching, "--from-dir", tmp_path / "b", "--manifest", tmp_path / "absent") == Exit.USAGE
    assert await run(batching) == Exit.USAGE
    person.refuses = PromptRefusedError()
    assert await run(batching, *words, "--force") == Exit.PERSON
    assert json.loads(capsys.readouterr().out)["left"] == 2
    assert (await batching.program("GET", "/v1/batches")).body == {"batches": []}


async def test_ctrl_c_keeps_what_is_signed(
    batching: RunningAgent, slowly: TracedCard, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(state: dict[str, int]) -> None:
        if state["signed"] >= 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(batch, "_show", interrupt)
    monkeypatch.setattr(batch, "LOOK_S", 0.005)
    output = tmp_path / "signed"
    with pytest.raises(KeyboardInterrupt):
        await run(batching, "--from-dir", documents, "--output", output)
    assert len(list(output.iterdir())) >= 2
    assert (await batching.program("GET", "/v1/batches")).body == {"batches": []}
