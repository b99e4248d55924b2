"""`cps-agent call` beside its agent: what it sends, where an answer goes, and that half an answer is none."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.processes import command
from support.waiting import wait_until
from support.web import Web, reply, web

from agent.commands.call import MAX_SHOWN
from agent.commands.parser import make_parser

TOKEN = "t" * 43


@contextlib.contextmanager
def played_agent(folder: Path, answer: bytes, received: list[bytes] | None = None) -> Iterator[Web]:
    """Something at an agent's place that answers each request with these bytes, and keeps what came after its head."""

    def respond(connection: socket.socket, head: bytes) -> None:
        connection.sendall(answer)
        if received is not None:
            body = head.partition(b"\r\n\r\n")[2]
            while len(body) < int(headers_of(head)["content-length"]):
                body += connection.recv(1 << 20)
            received.append(body)

    with web(respond) as served:
        (folder / "port").write_text(str(served.port))
        (folder / "token").write_text(TOKEN)
        yield served


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., int]:
    def run(*words: str | Path) -> int:
        arguments = make_parser().parse_args(["call", "--data-dir", str(tmp_path), *map(str, words)])
        return int(arguments.run(arguments))

    return run


def headers_of(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").partition("\r\n\r\n")[0].split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def test_a_body_an_assertion_and_a_card_go_along(call, tmp_path: Path, capfdbinary) -> None:
    (tmp_path / "td02.xml").write_bytes(b"<a/>")
    (tmp_path / "vihf.json").write_text('{"mode": "direct"}')
    (tmp_path / "more.txt").write_text("CPS-Agent-Authorization: Bearer a\n\nX-B: c:d\n")
    received: list[bytes] = []
    with played_agent(tmp_path, reply(b"<b/>", "200 OK", "X-A: b"), received) as served:
        words = ["dmp", "/patient?a=b", "--data", tmp_path / "td02.xml", "--assertion", tmp_path / "vihf.json"]
        assert (
            call(*words, "--card", "S01", "--header", "SOAPAction: urn:a", "--header", f"@{tmp_path}/more.txt", "-i")
            == 0
        )
    (head,) = served.heads
    assert head.startswith(b"POST /v1/gateway/dmp/patient?a=b HTTP/1.1\r\n")
    sent = headers_of(head)
    assert sent["authorization"] == f"Bearer {TOKEN}"
    assert (sent["content-type"], sent["content-length"]) == ("application/soap+xml; charset=utf-8", "4")
    assert (sent["cps-agent-card"], sent["soapaction"]) == ("S01", "urn:a")
    assert (sent["cps-agent-authorization"], sent["x-b"]) == ("Bearer a", "c:d")
    assert json.loads(base64.b64decode(sent["cps-agent-assertion"])) == {"mode": "direct"}
    assert received == [b"<a/>"]
    out, err = capfdbinary.readouterr()
    assert out == b"<b/>"
    assert b"200 OK\n" in err
    assert b"X-A: b\n" in err


def test_an_answer_goes_into_a_new_file(call, tmp_path: Path) -> None:
    with played_agent(tmp_path, reply(b"\0\xff" * 9)) as served:
        assert call("dmp", "-o", tmp_path / "made") == 0
        assert call("dmp", "-o", tmp_path / "made") == 2
    assert (tmp_path / "made").read_bytes() == b"\0\xff" * 9
    assert len(served.heads) == 1
    assert served.heads[0].startswith(b"GET /v1/gateway/dmp/ HTTP/1.1\r\n")


HALVES = {
    "shorter than it says": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    "a chunk without its end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
    "no last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
}


@pytest.mark.parametrize("half", HALVES)
def test_half_an_answer_is_none(call, tmp_path: Path, capsys, half: str) -> None:
    with played_agent(tmp_path, HALVES[half]):
        assert call("dmp", "-o", tmp_path / "made") == 11
    assert not (tmp_path / "made").exists()
    assert "broke off" in capsys.readouterr().err


def test_a_fault_is_explained_and_passed_on(call, tmp_path: Path, capfd) -> None:
    told = ("CPS-Agent-Fault: soap%3ADMPInvalidCertificate", "CPS-Agent-Explanation: Use%20the%20other%1b%20key")
    with played_agent(tmp_path, reply(b"<Fault/>", "500 Internal Server Error", *told)):
        assert call("dmp") == 11
    out, err = capfd.readouterr()
    assert out == "<Fault/>"
    assert "Use the other\N{REPLACEMENT CHARACTER} key [soap:DMPInvalidCertificate]" in err
    assert "500 Internal Server Error" in err


def test_a_refusal_of_the_agent_is_its_sentence(call, tmp_path: Path, capsys) -> None:
    problem = {"status": 404, "code": "service-unknown", "layer": "call", "detail": "No such service.", "detailFr": ""}
    answer = reply(json.dumps(problem).encode(), "404 Not Found", "Content-Type: application/problem+json")
    with played_agent(tmp_path, answer):
        assert call("nothing", "-o", tmp_path / "made") == 2
    assert "No such service. [service-unknown]" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_a_wrong_call_reaches_nobody(call, tmp_path: Path, capsys) -> None:
    (tmp_path / "list.json").write_text("no JSON")
    (tmp_path / "headers").write_bytes(b"X-A: \xff\n")
    for words in (
        ["--header", "nothing"],
        ["--header", "X-A: b\r\nX-B: c"],
        ["--header", f"@{tmp_path}/headers"],
        ["--header", "@/absent"],
        ["--data", tmp_path / "absent"],
        ["--assertion", tmp_path / "list.json"],
        ["a b"],
        ["patient\r\nX-A: b"],
        ["é"],
    ):
        with played_agent(tmp_path, reply()) as served:
            assert call("dmp", *words) == 2
            assert not served.heads
    assert call("dmp") == 3
    capsys.readouterr()


def test_an_answer_cannot_drive_the_terminal(tmp_path: Path) -> None:
    evil = "<a>\x1b]0;title\x07\x1b[2J\u202eé\n</a>".encode()
    ours, theirs = pty.openpty()
    with played_agent(tmp_path, reply(evil + b"x" * MAX_SHOWN)):
        line = command("call", "--data-dir", str(tmp_path), "dmp")
        with subprocess.Popen(line, stdout=theirs, stderr=theirs, env=os.environ | {"LC_ALL": "C.UTF-8"}) as process:
            os.close(theirs)
            shown = b"".join(read_terminal(ours))
            assert process.wait(20) == 0
    os.close(ours)
    text = shown.decode()
    assert text.replace("\r\x1b[K", "").count("\x1b") == 0  # but for the progress, which is taken away again
    assert "<a>\ufffd]0;title\ufffd\ufffd[2J\ufffdé\r\n</a>x" in text
    assert f"and so on, {len(evil) + MAX_SHOWN} bytes in all" in text


def read_terminal(descriptor: int) -> Iterator[bytes]:
    """What a program shows, until it has ended (pty(7): EIO)."""
    with contextlib.suppress(OSError):
        while piece := os.read(descriptor, 65536):
            yield piece


def test_ctrl_c_ends_the_request_and_leaves_nothing(tmp_path: Path) -> None:
    begun, ended = threading.Event(), threading.Event()

    def stall(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        begun.set()
        with contextlib.suppress(ConnectionError):
            assert connection.recv(1) == b""
        ended.set()

    with web(stall) as served:
        (tmp_path / "port").write_text(str(served.port))
        (tmp_path / "token").write_text(TOKEN)
        made = tmp_path / "made"
        with subprocess.Popen(command("call", "--data-dir", str(tmp_path), "dmp", "-o", str(made))) as process:
            assert begun.wait(20)
            wait_until(made.exists, "the file")
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
        assert ended.wait(10)
    assert not made.exists()
