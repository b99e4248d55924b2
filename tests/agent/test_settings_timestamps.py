"""The settings of time-stamps: none unless named, one plain address, and what workers are told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.openssl import write_pem
from support.signing_keys import SigningKey

from agent import settings as settings_module
from agent.settings import REVOCATION_HOSTS, SettingsError, load_settings
from agent.signing.outside import describe_outside


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings_module, "user_file", lambda: tmp_path / "user.toml")
    monkeypatch.setattr(settings_module, "policy_file", lambda: tmp_path / "policy.toml")
    return tmp_path


def test_nobody_stamps_unless_named(files: Path) -> None:
    outside = describe_outside(load_settings({"data_dir": files}, {}))
    assert (outside.timestamp_url, outside.timestamp_authorities_der) == (None, ())
    assert (outside.hosts, outside.folder) == (REVOCATION_HOSTS, str(files / "revocation"))
    assert load_settings({}, {"CPS_AGENT_TIMESTAMP_URL": ""}).timestamp_url is None


def test_what_workers_are_told(files: Path, made_folder: Path) -> None:
    key = SigningKey.of_card(made_folder)
    write_pem(files / "tsa.pem", *key.chain_der)
    (files / "policy.toml").write_text(
        'timestamp_url = "http://tsa.example:8080/tsr"\ntimestamp_hosts = ["crl.example"]\n'
        f'timestamp_authorities = ["{files}/tsa.pem"]\n'
    )
    settings = load_settings({}, {"CPS_AGENT_TIMESTAMP_URL": "https://evil.example/"})
    outside = describe_outside(settings)
    assert outside.timestamp_url == "http://tsa.example:8080/tsr"
    assert outside.timestamp_authorities_der == key.chain_der
    assert outside.hosts == (*REVOCATION_HOSTS, "crl.example")
    assert describe_outside(load_settings({"revocation": False}, {})).hosts == ()


def test_time_stamps_of_others_are_believed_without_an_authority_of_ones_own(files: Path, made_folder: Path) -> None:
    key = SigningKey.of_card(made_folder)
    write_pem(files / "tsa.pem", *key.chain_der)
    outside = describe_outside(load_settings({"timestamp_authorities": [str(files / "tsa.pem")]}, {}))
    assert (outside.timestamp_url, outside.timestamp_authorities_der) == (None, key.chain_der)


@pytest.mark.parametrize(
    "url",
    ["tsa.example", "ftp://tsa.example", "http://u:p@tsa.example", "http://tsa.example/?a", "http://é", 1, ["a"], {}],
)
def test_attack_what_is_no_address_of_an_authority(url: Any) -> None:
    with pytest.raises(SettingsError, match="timestamp_url"):
        load_settings({"timestamp_url": url}, {})


@pytest.mark.parametrize(("name", "value"), [("timestamp_hosts", ["*"]), ("timestamp_authorities", ["here.pem"])])
def test_attack_hosts_and_paths_that_are_none(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=name):
        load_settings({name: value}, {})
