"""The setting software_keys: three words, by every way in; what the policy says stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import settings
from agent.settings import SettingsError, load_settings


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "policy_file", lambda: tmp_path / "policy.toml")
    monkeypatch.setattr(settings, "user_file", lambda: tmp_path / "settings.toml")
    return tmp_path


@pytest.mark.parametrize("word", settings.SOFTWARE_KEYS)
def test_words(files: Path, word: str) -> None:
    assert load_settings({}, {}).software_keys == "auto"
    assert load_settings({}, {"CPS_AGENT_SOFTWARE_KEYS": word}).software_keys == word
    (files / "policy.toml").write_text('software_keys = "passphrase"')
    assert load_settings({}, {"CPS_AGENT_SOFTWARE_KEYS": word}).software_keys == "passphrase"


@pytest.mark.parametrize("value", ['"clear"', '""', "true", "[]", '"Passphrase"'])
def test_attack_no_other_word_leaves_a_key_unprotected(files: Path, value: str) -> None:
    (files / "settings.toml").write_text(f"software_keys = {value}")
    with pytest.raises(SettingsError):
        load_settings({}, {})
