"""Settings of trust: paths from the root alone, hosts that are hosts, and a policy that nobody overrides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent import settings as settings_module
from agent.settings import MAX_HOSTS, MAX_PATHS, REVOCATION_HOSTS, SettingsError, load_settings


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings_module, "user_file", lambda: tmp_path / "user.toml")
    monkeypatch.setattr(settings_module, "policy_file", lambda: tmp_path / "policy.toml")
    return tmp_path


def test_by_default_production_alone_is_trusted_and_its_hosts_asked() -> None:
    settings = load_settings({}, {})
    assert (settings.test_authorities, settings.intermediate_authorities, settings.trust_test_cards) == ((), (), False)
    assert (settings.revocation, settings.revocation_hosts) == (True, REVOCATION_HOSTS)


def test_what_may_be_set(files: Path) -> None:
    (files / "user.toml").write_text(
        'test_authorities = ["/etc/test-cas"]\nrevocation_hosts = ["Proxy.example:8080", "[::1]:80"]\n'
    )
    settings = load_settings({"trust_test_cards": True}, {"CPS_AGENT_INTERMEDIATE_AUTHORITIES": "/a.pem:/b.pem"})
    assert settings.test_authorities == (Path("/etc/test-cas"),)
    assert settings.intermediate_authorities == (Path("/a.pem"), Path("/b.pem"))
    assert settings.revocation_hosts == ("proxy.example:8080", "[::1]:80")
    assert load_settings({}, {"CPS_AGENT_REVOCATION_HOSTS": "a.example, b.example"}).revocation_hosts == (
        "a.example",
        "b.example",
    )
    assert load_settings({"revocation_hosts": []}, {}).revocation_hosts == ()


@pytest.mark.parametrize(
    "hosts",
    [
        ["*"], ["*.example"], ["http://a.example"], ["a.example/"], ["user@a.example"], ["a b"], ["a.example:"],
        ["a..example"], [1], 1, {"a": 1}, ["é.example"], ["a.ex\nample"], ["h"] * (MAX_HOSTS + 1),
    ],
)  # fmt: skip
def test_attack_hosts_that_are_none(hosts: Any) -> None:
    with pytest.raises(SettingsError, match="revocation_hosts"):
        load_settings({"revocation_hosts": hosts}, {})


@pytest.mark.parametrize("paths", [["here.pem"], ["/a\0b"], [1], 1, [f"/{number}" for number in range(MAX_PATHS + 1)]])
@pytest.mark.parametrize("name", ["test_authorities", "intermediate_authorities"])
def test_attack_paths_that_are_none(name: str, paths: Any) -> None:
    with pytest.raises(SettingsError, match=name):
        load_settings({name: paths}, {})


def test_attack_nobody_overrides_the_policy(files: Path) -> None:
    (files / "policy.toml").write_text("test_authorities = []\ntrust_test_cards = false\nrevocation_hosts = []\n")
    (files / "user.toml").write_text('test_authorities = ["/mine.pem"]\nrevocation_hosts = ["evil.example"]\n')
    settings = load_settings({"trust_test_cards": True}, {"CPS_AGENT_TEST_AUTHORITIES": "/mine.pem"})
    assert (settings.test_authorities, settings.trust_test_cards, settings.revocation_hosts) == ((), False, ())
