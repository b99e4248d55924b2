"""What browsers lack to reach the card: from what `cps-agent modules` says, in two languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.api.browser_needs import SENTENCES, Need, Status, find_needs, list_needs
from agent.modules.values import State, Trouble


def found(*places: dict[str, Any], answers: bool = True) -> list[str]:
    usual = {"kind": "firefox", "owner": "Firefox", "state": "set-up", "trouble": None, "others": []}
    status = {"door": {"answers": answers}, "places": [usual | place for place in places]}
    return [f"{need.browser}: {need.code}" for need in find_needs(msgspec.convert(status, Status))]


def test_nothing_is_missing() -> None:
    assert found({}) == []
    assert found({"state": "not-set-up", "others": ["/usr/lib/libcps3_pkcs11_lux.so"]}, answers=False) == []


def test_each_browser_says_what_it_lacks() -> None:
    chromium = {"kind": "chromium", "owner": "Chromium, Chrome", "state": "not-set-up"}
    boxed = {"state": "impossible", "trouble": "boxed"}
    mail = {"kind": "thunderbird", "owner": "Thunderbird", "state": "not-set-up"}
    expected = ["Chromium, Chrome: not-set-up", "Firefox: boxed", "Firefox: running"]
    assert found(chromium, boxed, {"state": "partly", "trouble": "running"}, mail) == expected


def test_the_door_and_browsers_that_there_are_not() -> None:
    assert found(answers=False) == ["None: door-closed", "None: no-browser"]
    assert found({}, answers=False) == ["None: door-closed"]


@pytest.mark.parametrize("trouble", [None, *Trouble])
def test_every_state_and_trouble_has_words(trouble: Trouble | None) -> None:
    for state in State:
        for code in found({"state": str(state), "trouble": trouble and str(trouble)}):
            assert code.removeprefix("Firefox: ") in SENTENCES


@pytest.mark.parametrize("code", SENTENCES)
def test_sentences(code: str) -> None:
    told = Need(code, "Firefox").to_json()
    assert "{" not in told["detail"] + told["detailFr"]
    assert " :" not in told["detailFr"]


async def test_the_workstation_is_looked_at_by_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    codes = {need.code for need in await list_needs(tmp_path / "data")}
    assert "door-closed" in codes
    assert "not-known" not in codes


async def test_a_child_that_says_nothing_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    assert [need.code for need in await list_needs(tmp_path)] == ["not-known"]
