"""Attacks on the tray: whoever listens on the port that an agent left behind answers what it likes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest
from support.fake_agent import status
from support.lines import DEADLINE_S

from agent import client as client_module
from agent.client import AgentProblemError, AgentUnreachableError, Client, Json
from agent.people.tray import follower as follower_module
from agent.people.tray.follower import Follower
from agent.people.tray.state import NO_AGENT, Condition, Desk


class Desks:
    """What a follower tells."""

    def __init__(self) -> None:
        self.told: list[Desk] = []
        self._changed = threading.Condition()

    def take(self, desk: Desk) -> None:
        with self._changed:
            self.told.append(desk)
            self._changed.notify_all()

    def wait_for(self, condition: Condition) -> None:
        with self._changed:
            found = self._changed.wait_for(lambda: self.told and self.told[-1].condition is condition, DEADLINE_S)
        assert found, self.told


class Squatter:
    """A client of somebody who answers nonsense at first."""

    def __init__(self, nonsense: Json) -> None:
        self._answers = [status("no-card"), nonsense]

    def of(self, *_: object) -> Squatter:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def status(self) -> Json:
        return self._answers.pop() if len(self._answers) > 1 else self._answers[0]

    def denials(self) -> int:
        return 0

    def events(self) -> None:
        raise AgentProblemError({"status": 404})


@pytest.mark.parametrize(
    "nonsense", [{"readers": {"a": 1}}, {"readers": [7]}, {"sessions": 7}, {"readers": [{"pin": 1}]}]
)
def test_attack_answers_of_another_shape_do_not_stop_the_icon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nonsense: Json
) -> None:
    monkeypatch.setattr(follower_module, "Client", Squatter(nonsense))
    desks = Desks()
    follower = Follower(tmp_path, desks.take)
    follower.start()
    desks.wait_for(Condition.NO_CARD)
    assert desks.told[0] == NO_AGENT
    follower.stop()


def test_attack_store_that_waits_for_the_person_keeps_no_icon_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificates to be renewed may lie behind a key store that is to be unlocked."""
    release = threading.Event()

    class Waiting(Squatter):
        def certificate_orders(self) -> Json:
            release.wait(DEADLINE_S)
            return {"renewals": 7}

    monkeypatch.setattr(follower_module, "Client", Waiting(status("no-card")))
    desks = Desks()
    follower = Follower(tmp_path, desks.take)
    follower.start()
    desks.wait_for(Condition.NO_CARD)
    assert not release.is_set()
    follower.stop()
    release.set()


@contextmanager
def stranger(answer: bytes, piece: bytes = b"") -> Iterator[int]:
    """Somebody on a port who answers this, then one piece for ever."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError), server.accept()[0] as line:
                line.recv(65_536)
                line.sendall(answer)
                while piece:
                    line.sendall(piece)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def test_attack_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_ANSWER", 1_000_000)
    endless = stranger(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65_536)
    with endless as port, Client(port, "t") as client, pytest.raises(AgentUnreachableError):
        client.status()


@pytest.mark.parametrize("body", [b"[]", b"7", b"[" * 100_000, b'{"status": "403"}'])
def test_attack_problem_of_another_shape_is_a_stranger(body: bytes) -> None:
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % len(body)
    with stranger(head + body) as port, Client(port, "t") as client, pytest.raises(AgentUnreachableError):
        client.status()
