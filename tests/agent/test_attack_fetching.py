"""Servers that keep what they were given: the agent ends an exchange, its thread and its socket too."""

from __future__ import annotations

import threading
import time

import pytest
from support.web import web

from agent.fetching import Fetcher, FetchTimeoutError, Request

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "start", [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", HEAD + b"Content-Length: 9999\r\n\r\n"]
)
def test_a_body_that_drips_leaves_no_thread_behind(start, monkeypatch):
    """A chunk's size may be written for hours, one blank after the other."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    hung_up = threading.Event()

    def answer(connection, head):
        connection.sendall(start)
        try:
            while True:
                connection.sendall(b"0")
                time.sleep(0.02)
        except OSError:
            hung_up.set()

    with web(answer) as served:
        with pytest.raises(FetchTimeoutError):
            Fetcher({served.host}).fetch(Request(served.url(), timeout_s=0.4))
        assert hung_up.wait(2)
        left = [thread for thread in threading.enumerate() if thread.name == "cps-agent-fetch"]
        for thread in left:
            thread.join(2)
        assert not any(thread.is_alive() for thread in left)
