"""What one run of the agent leaves to the next, and what the next makes of it when it is no good."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from agent.api.server import _inherit
from agent.loopback import bind_loopback
from agent.succession import VARIABLE, Succession, own_command, read_memory, take_over, write_memory


def test_nothing_was_left():
    assert take_over({}) is None


def test_what_was_left_is_taken_over_once():
    ours, theirs = os.pipe()
    os.set_inheritable(ours, True)
    left = Succession(http=[ours], door={"visits": []})
    left.add([ours])
    environment = {VARIABLE: str(write_memory({"left": left.to_json(), "descriptors": sorted(left.moved)}))}
    taken = take_over(environment)
    assert taken is not None
    assert (taken.http, taken.door, taken.moved) == ([ours], {"visits": []}, {ours: ours})
    assert not os.get_inheritable(ours)
    assert environment == {}
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"left": {"format": 1, "http": [], "door": {}}},
        {"left": {"format": 2, "http": [], "door": {}}, "descriptors": []},
        {"left": {"format": 1}, "descriptors": []},
        {"left": {"format": 1, "http": [], "door": {}}, "descriptors": [99_999]},
    ],
)
def test_what_another_version_has_left_is_told_and_dropped(value, caplog):
    environment = {VARIABLE: str(write_memory(value))}
    assert take_over(environment) is None
    assert "cannot be read" in caplog.text
    assert environment == {}


@pytest.mark.parametrize("value", ["", "x", "0", "99999", "-1"])
def test_variable_that_somebody_made_up(value, caplog):
    assert take_over({VARIABLE: value}) is None
    assert "cannot be read" in caplog.text


def test_memory_is_read_from_its_beginning():
    assert read_memory(write_memory({"a": 1})) == b'{"a": 1}'


def test_program_is_run_again_as_it_was(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", "-I", "-m", "agent", "serve", "--port", "0"])
    assert own_command() == [sys.executable, "-I", "-m", "agent", "serve", "--port", "0"]
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "argv", ["cps-agent", "serve"])
    assert own_command() == [sys.executable, "serve"]


@pytest.mark.parametrize("wanted", [None, 0])
def test_port_stays_where_any_will_do(wanted):
    sockets = bind_loopback([0])
    port = sockets[0].getsockname()[1]
    taken = _inherit([listening.detach() for listening in sockets], wanted)
    assert {listening.getsockname()[1] for listening in taken} == {port}
    for listening in taken:
        listening.close()


def test_port_that_the_settings_name_now_is_taken_instead():
    sockets = bind_loopback([0])
    port = sockets[0].getsockname()[1]
    assert _inherit([listening.detach() for listening in sockets], port % 60_000 + 1) == []
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))
