"""The setting that names virtual cards: as a list in TOML, with commas elsewhere; one that is none is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent import settings as settings_module
from agent.settings import SettingsError, load_settings


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings_module, "user_file", lambda: tmp_path / "user.toml")
    monkeypatch.setattr(settings_module, "policy_file", lambda: tmp_path / "policy.toml")
    return tmp_path


def test_a_cps3_unless_said_otherwise() -> None:
    assert load_settings({}, {}).virtual_kind == ("cps3",)


@pytest.mark.parametrize("value", ["cps3,cpe", " cps3 , cpe ", ["cps3", "cpe"], ("cps3", "cpe")])
def test_several_kinds(value: Any) -> None:
    assert load_settings({"virtual_kind": value}, {}).virtual_kind == ("cps3", "cpe")


def test_kinds_of_a_file(files: Path) -> None:
    (files / "user.toml").write_text('virtual_kind = ["vitale", "mute"]')
    assert load_settings({}, {}).virtual_kind == ("vitale", "mute")
    assert load_settings({}, {"CPS_AGENT_VIRTUAL_KIND": "bank"}).virtual_kind == ("bank",)


@pytest.mark.parametrize("value", ["", ",", "cps3,", "cps3,cps3", "CPS3", "cps3;cpe", [], [["cps3"]], [1], 1, True, {}])
def test_what_names_no_cards_is_refused(value: Any) -> None:
    with pytest.raises(SettingsError, match="virtual_kind"):
        load_settings({"virtual_kind": value}, {})


def test_the_policy_has_the_last_word(files: Path) -> None:
    (files / "policy.toml").write_text("virtual = false")
    assert not load_settings({"virtual": True, "virtual_kind": "cpe"}, {}).virtual
