"""The settings of the services, and the one that the machine's administrator alone decides."""

from __future__ import annotations

import pytest

from agent.settings import SettingsError, load_settings


@pytest.fixture
def policy(tmp_path, monkeypatch):
    path = tmp_path / "policy.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("agent.settings.policy_file", lambda: path)
    return path


def test_pages_get_the_gateway_by_policy_alone(policy, tmp_path):
    policy.write_text('gateway_origins = ["https://practice.example:8443"]\n')
    assert load_settings({}, {}).gateway_origins == ("https://practice.example:8443",)
    for flags, environment in (
        ({"gateway_origins": ["https://x.example"]}, {}),
        ({}, {"CPS_AGENT_GATEWAY_ORIGINS": "x"}),
    ):
        with pytest.raises(SettingsError, match="machine policy alone"):
            load_settings(flags, environment)
    (tmp_path / "cps-agent").mkdir()
    (tmp_path / "cps-agent" / "settings.toml").write_text('gateway_origins = ["https://x.example"]\n')
    with pytest.raises(SettingsError, match="machine policy alone"):
        load_settings({}, {})


@pytest.mark.parametrize("value", ["https://x.example", ["http://x.example"], ["https://x.example/"], ["null"], [1]])
def test_what_is_no_origin_is_refused(policy, value):
    policy.write_text(f"gateway_origins = {value!r}\n")
    with pytest.raises(SettingsError, match="gateway_origins"):
        load_settings({}, {})


def test_file_of_services_is_named_from_the_root(policy):
    assert (
        str(load_settings({"services": "/etc/cps-agent/services.toml"}, {}).services) == "/etc/cps-agent/services.toml"
    )
    with pytest.raises(SettingsError, match="services"):
        load_settings({"services": "services.toml"}, {})


def test_mail_programs_are_let_in_where_it_is_set(policy):
    settings = load_settings({}, {})
    assert (settings.mail_bridge, settings.mail_imap_port, settings.mail_smtp_port) == (False, 27743, 27725)
    policy.write_text("mail_bridge = true\nmail_imap_port = 0\n")
    settings = load_settings({}, {"CPS_AGENT_MAIL_BRIDGE": "no", "CPS_AGENT_MAIL_SMTP_PORT": "1025"})
    assert (settings.mail_bridge, settings.mail_imap_port, settings.mail_smtp_port) == (True, 0, 1025)
    with pytest.raises(SettingsError, match="mail_smtp_port"):
        load_settings({}, {"CPS_AGENT_MAIL_SMTP_PORT": "65536"})
