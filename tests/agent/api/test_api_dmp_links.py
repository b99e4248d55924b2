"""Pages of the DMP in the person's browser: a checked INS, a browser that gets nothing of the agent, no patient kept."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import Answer, Person, RunningAgent, running_agent

from agent.commands.parser import make_parser
from agent.services import browser

INS = "269054958815780"
SERVICES = '[portals.dmp]\ntitle = "DMP"\nurl = "https://dmp.example"\n'
OPENER = '#!/bin/sh\nprintf "%s\\n" "$@" > "{folder}/opened"\nenv > "{folder}/environment"\nexit {code}\n'


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without browsers, and a program that opens addresses by writing them down."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LD_PRELOAD_FOR_NOBODY", "secret")
    install_opener(tmp_path)
    (tmp_path / "services.toml").write_text(SERVICES)
    return tmp_path


def install_opener(folder: Path, code: int = 0) -> None:
    opener = folder / "xdg-open"
    opener.write_text(OPENER.format(folder=folder, code=code))
    opener.chmod(0o755)


@pytest.fixture
async def at_desk(desk: Path, person: Person) -> AsyncIterator[RunningAgent]:
    async with running_agent(desk / "data", person, services=desk / "services.toml") as agent:
        yield agent


async def link(agent: RunningAgent, page: str, **members: Any) -> Answer:
    return await agent.program("POST", "/v1/dmp/links", {"page": page, **members})


async def test_a_page_for_a_patient_is_opened(at_desk: RunningAgent, desk: Path) -> None:
    answer = await link(at_desk, "DossierPatient", ins=INS)
    assert answer.status == 200, answer.body
    address = f"https://dmp.example/AccesDirect/DossierPatient/{INS}"
    assert (answer.body["link"], answer.body["opened"]) == (address, True)
    assert (desk / "opened").read_text() == address + "\n"
    environment = (desk / "environment").read_text()
    assert "LD_PRELOAD_FOR_NOBODY" not in environment
    assert at_desk.token not in environment


async def test_what_browsers_lack_is_said_before_one_is_opened(at_desk: RunningAgent, desk: Path) -> None:
    (desk / ".mozilla" / "firefox" / "a.default").mkdir(parents=True)
    (desk / ".mozilla" / "firefox" / "a.default" / "cert9.db").write_bytes(b"")
    answer = await link(at_desk, "TableauDeBord", open=False)
    assert answer.body["opened"] is False
    assert "Firefox" in {need["browser"] for need in answer.body["needs"]}
    assert all(need["detail"] and need["detailFr"] for need in answer.body["needs"])
    assert str(desk) not in str(answer.body)
    assert not (desk / "opened").exists()


async def test_a_page_of_the_web_opens_nothing_unless_granted(at_desk: RunningAgent, desk: Path) -> None:
    body = {"page": "Documents", "ins": INS}
    answer = await at_desk.page("POST", "/v1/dmp/links", body)
    assert (answer.status, answer.code) == (403, "grant-required")
    assert not (desk / "opened").exists()
    await at_desk.page("POST", "/v1/grants", {"abilities": ["identity"]})
    assert (await at_desk.page("POST", "/v1/dmp/links", body)).status == 200
    assert (desk / "opened").exists()


REFUSED: tuple[dict[str, Any], ...] = (
    {"page": "DossierPatient"},
    {"page": "Parametrages", "ins": INS},
    {"page": "../TableauDeBord"},
    {"page": "CreationDMP", "ins": INS},
    {"page": "Documents", "ins": "269054958815781"},
    {"page": "Documents", "ins": "0690549588157"},
    {"page": "Documents", "ins": "2 69 05 49 588"},
    {"page": "Documents", "ins": INS, "kind": "ins"},
    {"page": "Documents", "ins": "../../..//evil"},
    {"page": "Documents", "ins": INS, "url": "https://evil.example"},
)


async def test_anything_else_is_refused_and_nothing_opened(at_desk: RunningAgent, desk: Path) -> None:
    for body in REFUSED:
        answer = await at_desk.program("POST", "/v1/dmp/links", body)
        assert (answer.status, answer.code) == (400, "bad-request"), body
    assert not (desk / "opened").exists()


async def test_the_agent_invents_no_address(desk: Path, person: Person) -> None:
    async with running_agent(desk / "data", person) as agent:
        answer = await link(agent, "TableauDeBord")
        assert (answer.status, answer.code) == (409, "portal-unset")
        assert "[portals.dmp]" in answer.body["detailFr"]


async def test_a_browser_that_does_not_open_is_told(at_desk: RunningAgent, desk: Path) -> None:
    install_opener(desk, code=3)
    answer = await link(at_desk, "TableauDeBord")
    assert (answer.status, answer.code) == (503, "browser-unavailable")


async def test_no_patient_reaches_the_journal(at_desk: RunningAgent, desk: Path) -> None:
    await link(at_desk, "HistoriqueAcces", ins=INS)
    entries = (await at_desk.program("GET", "/v1/journal")).body["entries"]
    (entry,) = [entry for entry in entries if entry["action"] == "open-dmp"]
    assert (entry["subject"], entry["outcome"]) == ("DMP HistoriqueAcces", "ok")
    content = b"".join(path.read_bytes() for path in desk.rglob("agent.db*"))
    assert INS.encode() not in content


async def test_the_command_line_says_first_what_is_missing(
    at_desk: RunningAgent, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> int:
        arguments = make_parser().parse_args(["dmp", "--data-dir", str(desk / "data"), "open", *words])
        return int(arguments.run(arguments))

    typed = ["Documents", "--ins", "2 69 05 49 588 157 80"]
    assert await at_desk.ask(lambda _: run(*typed, "--no-browser")) == 0
    told = capsys.readouterr()
    assert told.out == f"https://dmp.example/AccesDirect/Documents/{INS}\n"
    assert "cps-agent modules setup" in told.err
    assert not (desk / "opened").exists()
    assert await at_desk.ask(lambda _: run(*typed)) == 0
    assert INS in (desk / "opened").read_text()
    capsys.readouterr()
    assert await at_desk.ask(lambda _: run("Documents", "--ins", "2 69 05 49 588 157 81")) == 2
    assert "INS" in capsys.readouterr().err


async def test_attack_a_page_that_opens_pages_without_end(
    at_desk: RunningAgent, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "MAX_OPENED", 2)
    await at_desk.page("POST", "/v1/grants", {"abilities": ["identity"]})
    body = {"page": "TableauDeBord"}
    answers = [await at_desk.page("POST", "/v1/dmp/links", body) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    (desk / "opened").unlink()
    assert (await at_desk.page("POST", "/v1/dmp/links", body)).code == "too-many-requests"
    assert not (desk / "opened").exists()
    assert (await at_desk.page("POST", "/v1/dmp/links", body | {"open": False})).status == 200
