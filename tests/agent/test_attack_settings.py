"""Attacks by settings: values that would stop the agent later, and ways around what an administrator has fixed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from agent import settings
from agent.settings import MAX_FILE, MAX_MODULES, SettingsError, load_settings


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The policy and the user's file."""
    policy, user = tmp_path / "policy.toml", tmp_path / "settings.toml"
    monkeypatch.setattr(settings, "policy_file", lambda: policy)
    monkeypatch.setattr(settings, "user_file", lambda: user)
    return policy, user


@pytest.mark.parametrize(
    "value", ["/a\0b", ["/a\0b"], {"/a": 1}, [b"/a"], [1], 1, [f"/{number}" for number in range(MAX_MODULES + 1)]]
)
def test_attack_modules_that_no_process_can_be_started_with(files: tuple[Path, Path], value: Any) -> None:
    """A NUL would end the thread that lists modules; a thousand of them would be a thousand processes."""
    with pytest.raises(SettingsError):
        load_settings({"modules": value}, {})


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ('modules = []\ncard_access = "direct"', ((), "direct")),
        ('modules = ["/admin.so"]\ncard_access = "modules"', ((Path("/admin.so"),), "modules")),
    ],
)
def test_attack_nobody_overrides_the_policys_modules(
    files: tuple[Path, Path], policy: str, expected: tuple[tuple[Path, ...], str]
) -> None:
    files[0].write_text(policy)
    files[1].write_text('modules = ["/mine.so"]\ncard_access = "auto"')
    environment = {"CPS_AGENT_MODULES": "/env.so", "CPS_AGENT_CARD_ACCESS": "auto", "cps_agent_modules": "/lower.so"}
    loaded = load_settings({"modules": ["/flag.so"], "card_access": "auto"}, environment)
    assert (loaded.modules, loaded.card_access) == expected


def test_attack_settings_of_one_endless_key_are_read_soon(files: tuple[Path, Path]) -> None:
    files[1].write_text(("a." * MAX_FILE)[: MAX_FILE - 4] + "b=1")
    started = time.monotonic()
    with pytest.raises(SettingsError):
        load_settings({}, {})
    assert time.monotonic() - started < 10
