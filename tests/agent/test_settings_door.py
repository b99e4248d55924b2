"""The setting that opens and closes the door, and what a run without one says."""

from __future__ import annotations

import pytest
from support.door_stand_in import StandIn

from agent.access.database import Database
from agent.access.journal import Journal
from agent.door.opening import open_door
from agent.settings import Settings, SettingsError, load_settings, policy_file
from agent.succession import Succession


def test_door_is_open_unless_somebody_closes_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load_settings({}, {}).door
    assert not load_settings({}, {"CPS_AGENT_DOOR": "false"}).door
    with pytest.raises(SettingsError, match="door"):
        load_settings({}, {"CPS_AGENT_DOOR": "ajar"})


def test_policy_closes_it_for_everybody(tmp_path, monkeypatch):
    policy = tmp_path / "policy.toml"
    policy.write_text("door = false\n")
    monkeypatch.setattr("agent.settings.policy_file", lambda: policy)
    assert policy_file().name == "policy.toml"
    assert not load_settings({"door": True}, {"CPS_AGENT_DOOR": "true"}).door


@pytest.mark.parametrize(
    ("settings", "reason", "level"),
    [
        ({"door": False}, "turned off", "INFO"),
        ({"name": "x" * 108}, "longer", "WARNING"),
        ({"name": "taken"}, "is not a socket", "WARNING"),
    ],
)
async def test_run_without_a_door_says_why_once(tmp_path, caplog, settings, reason, level):
    """Where somebody wanted it so, only to who asks for details."""
    caplog.set_level("INFO")
    folder = tmp_path / str(settings.pop("name", "data"))
    (tmp_path / "taken" / "p11-kit.sock").mkdir(parents=True)
    database = Database(tmp_path / "agent.db")
    await database.open()
    door = await open_door(Settings(data_dir=folder, **settings), StandIn().open, Journal(database), Succession())
    assert reason in str(door.unavailable)
    (told,) = [record for record in caplog.records if "not available: " in record.getMessage()]
    assert told.levelname == level
    await door.stop()
    await database.close()
