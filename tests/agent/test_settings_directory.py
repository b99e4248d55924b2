"""The settings of the directory: off unless said otherwise, over https to one plain address."""

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


def test_off_unless_said_otherwise() -> None:
    settings = load_settings({}, {})
    assert (settings.directory, settings.directory_url) == (False, "https://gateway.api.esante.gouv.fr/fhir/v2")


def test_what_the_policy_says_stands(files: Path) -> None:
    (files / "policy.toml").write_text('directory = false\ndirectory_url = "https://relay.example:8443/fhir"')
    settings = load_settings({}, {"CPS_AGENT_DIRECTORY": "true", "CPS_AGENT_DIRECTORY_URL": "https://evil.example/"})
    assert (settings.directory, settings.directory_url) == (False, "https://relay.example:8443/fhir")


@pytest.mark.parametrize(
    "value",
    [
        "", "gateway.example", "http://gateway.example/fhir", "http://127.0.0.1/fhir", "ftp://x.example", "https://", "https:///fhir",
        "https://key@x.example/fhir", "https://x.example/fhir?a=b", "https://x.example/#a", "https://x.example/a b", "https://x.example:0/",
        "https://x.example:99999/", "https://x.example/../a", "https://x.example/%2e", "https://x.example\\@y.example/", "https://é.example/",
        "https://x.example/\r\nHost: y", "https://[::1/", 7, True, ["https://x.example"], None,
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_service_is_refused(value: Any) -> None:
    if value is None:
        value = {}
    with pytest.raises(SettingsError, match="directory_url"):
        load_settings({"directory_url": value}, {})
