"""The event stream of the typed client: from the real agent, and from things that are none."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from support.fake_agent import fake_agent, status
from support.processes import agent_program

from agent.client import AgentProblemError, AgentUnreachableError, Client


def test_messages_come_in_order_until_the_agent_ends(tmp_path):
    with fake_agent(tmp_path / "data") as agent:
        client = Client.of(tmp_path / "data")
        events = client.events()
        messages = iter(events)
        first = next(messages)
        assert (first["type"], first["condition"]) == ("state", "card-ready")
        agent.tell(status("no-card"))
        assert next(messages)["type"] == "state-changed"
    with pytest.raises(AgentUnreachableError):
        next(messages)
    events.close()
    client.close()


def test_stream_of_the_real_agent_ends_with_it(tmp_path):
    with agent_program(tmp_path, "--virtual", "--unattended") as client:
        events = client.events()
    with pytest.raises(AgentUnreachableError):
        for _ in events:
            pass
    events.close()


def test_close_from_another_thread_ends_the_wait(tmp_path):
    with fake_agent(tmp_path / "data"), Client.of(tmp_path / "data") as client:
        events = client.events()
        messages = iter(events)
        next(messages)
        threading.Timer(0.1, events.close).start()
        with pytest.raises(AgentUnreachableError):
            next(messages)


def test_wrong_token_is_a_problem(tmp_path):
    with fake_agent(tmp_path / "data"):
        port = int((tmp_path / "data/port").read_text())
        with pytest.raises(AgentProblemError) as caught:
            Client(port, "wrong").events()
    assert caught.value.code == "token-refused"


def test_route_that_is_missing_is_a_problem(tmp_path):
    with fake_agent(tmp_path / "data") as agent:
        agent.answers["GET", "/v1/denials"] = (404, "not-found")
        with Client.of(tmp_path / "data") as client, pytest.raises(AgentProblemError) as caught:
            client.denials()
    assert caught.value.status == 404


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"])
def test_port_of_another_program(tmp_path, answer):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.recv(4096)
                line.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(AgentUnreachableError):
            Client(server.getsockname()[1], "t").events()
        thread.join(10)


def test_nobody_there(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(AgentUnreachableError):
        Client(port, "t").events()


def test_proxies_of_the_environment_are_not_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    with fake_agent(tmp_path / "data"), Client.of(tmp_path / "data") as client, client.events() as events:
        assert next(iter(events))["type"] == "state"


def test_calls_of_the_tray(tmp_path):
    with fake_agent(tmp_path / "data") as agent, Client.of(tmp_path / "data") as client:
        agent.denials = 3
        assert client.denials() == 3
        client.allow_questions()
        client.lock()
    assert agent.calls == [("DELETE", "/v1/denials", None), ("POST", "/v1/pin/lock", {})]
