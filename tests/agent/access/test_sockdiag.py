"""The kernel's own answer about one connection."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent.access.peer import Endpoint, Peer
from agent.access.sockdiag import find_owner, make_request, parse_reply


@contextmanager
def connection(family: socket.AddressFamily, host: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server((host, 0), family=family) as listener:
        client = socket.create_connection(listener.getsockname()[:2])
        served, _ = listener.accept()
        with client, served:
            yield client, served


def ends(served: socket.socket) -> tuple[Endpoint, Endpoint]:
    return Endpoint.from_sockaddr(served.getsockname()), Endpoint.from_sockaddr(served.getpeername())


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_owner_of_the_clients_side_is_found(family: socket.AddressFamily, host: str) -> None:
    with connection(family, host) as (client, served):
        assert find_owner(*ends(served)) == Peer(os.geteuid(), os.fstat(client.fileno()).st_ino)


def test_an_ipv6_socket_that_reaches_ipv4_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_INET6) as client:
        client.connect(("::ffff:127.0.0.1", listener.getsockname()[1]))
        served, _ = listener.accept()
        with served:
            found = find_owner(*ends(served))
            assert found == Peer(os.geteuid(), os.fstat(client.fileno()).st_ino)


def test_a_client_that_is_gone_has_no_owner() -> None:
    with connection(socket.AF_INET, "127.0.0.1") as (client, served):
        client.close()
        assert find_owner(*ends(served)) is None


def test_the_listener_of_the_port_is_not_taken_for_the_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert find_owner(Endpoint("127.0.0.1", 9), Endpoint("127.0.0.1", port)) is None


def test_nothing_is_missed_while_connections_come_and_go() -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            with connection(socket.AF_INET, "127.0.0.1"):
                pass

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(300):
            with connection(socket.AF_INET, "127.0.0.1") as (_client, served):
                assert find_owner(*ends(served)) is not None
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("reply", [b"", b"\0" * 20, b"\0" * 200, os.urandom(200)])
def test_a_strange_reply_is_no_owner(reply: bytes) -> None:
    assert parse_reply(reply, Endpoint("127.0.0.1", 1), Endpoint("127.0.0.1", 2)) is None


def test_a_request_asks_for_the_clients_side() -> None:
    request = make_request(Endpoint("127.0.0.1", 1), Endpoint("127.0.0.1", 2))
    assert len(request) == 72
    assert request[24:28] == b"\x00\x02\x00\x01"
