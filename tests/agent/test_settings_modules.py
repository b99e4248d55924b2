"""The settings about PKCS#11 modules: where they may come from, and whom nobody overrides."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent import settings
from agent.settings import SettingsError, load_settings

ONE, TWO = (os.path.abspath(os.path.join(os.sep, "opt", name)) for name in ("one.so", "two.so"))  # noqa: PTH100, PTH118


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's file and of the policy."""
    monkeypatch.setattr(settings, "user_file", lambda: tmp_path / "settings.toml")
    monkeypatch.setattr(settings, "policy_file", lambda: tmp_path / "policy.toml")
    return tmp_path


def toml(*paths: str) -> str:
    return "modules = [" + ", ".join(f"'{path}'" for path in paths) + "]\n"


def test_none_are_named_and_the_direct_way_comes_first() -> None:
    loaded = load_settings({}, {})
    assert (loaded.modules, loaded.card_access) == ((), "auto")


def test_flags_environment_and_files_name_modules(files: Path) -> None:
    (files / "settings.toml").write_text(toml(ONE))
    assert load_settings({}, {}).modules == (Path(ONE),)
    both = {"CPS_AGENT_MODULES": os.pathsep.join((TWO, "", ONE))}
    assert load_settings({}, both).modules == (Path(TWO), Path(ONE))
    assert load_settings({"modules": [ONE]}, both).modules == (Path(ONE),)
    assert load_settings({}, {"CPS_AGENT_MODULES": ""}).modules == ()


@pytest.mark.parametrize("name", ["settings.toml", "policy.toml"])
@pytest.mark.parametrize("path", ["one.so", "./one.so", "../one.so", "~/one.so", "lib/one.so"])
def test_a_path_that_depends_on_the_folder_is_refused(files: Path, name: str, path: str) -> None:
    """Whoever can write that folder could slip in a library, which is given codes."""
    (files / name).write_text(toml(ONE, path))
    with pytest.raises(SettingsError, match=name):
        load_settings({}, {})


@pytest.mark.parametrize("value", ["one.so", f"{ONE}{os.pathsep}two.so"])
def test_neither_a_flag_nor_the_environment_may_name_one(value: str) -> None:
    with pytest.raises(SettingsError, match="the environment"):
        load_settings({}, {"CPS_AGENT_MODULES": value})
    with pytest.raises(SettingsError, match="the command line"):
        load_settings({"modules": value.split(os.pathsep)}, {})


@pytest.mark.parametrize("chosen", [[], [TWO]])
def test_nobody_overrides_the_policy(files: Path, chosen: list[str]) -> None:
    """With an empty list and the direct way an administrator keeps every module out."""
    (files / "policy.toml").write_text(toml(*chosen) + 'card_access = "direct"\n')
    (files / "settings.toml").write_text(toml(ONE) + 'card_access = "modules"\n')
    environment = {"CPS_AGENT_MODULES": ONE, "CPS_AGENT_CARD_ACCESS": "modules"}
    loaded = load_settings({"modules": [ONE], "card_access": "modules"}, environment)
    assert loaded.modules == tuple(map(Path, chosen))
    assert loaded.card_access == "direct"


@pytest.mark.parametrize("value", ["", "Direct", "pkcs11", "auto,direct"])
def test_ways_to_the_card_that_are_none(value: str) -> None:
    with pytest.raises(SettingsError, match="card_access"):
        load_settings({"card_access": value}, {})
