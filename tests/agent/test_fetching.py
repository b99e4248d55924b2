"""The way out: allowed hosts alone, nothing followed, everything bounded; against servers that answer for real."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support.web import reply, say, web

from agent.fetching import (
    AnswerTooLargeError,
    Fetcher,
    FetchTimeoutError,
    HostRefusedError,
    Request,
    Response,
    UnreachableError,
)

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def fetch(served, path="/", **wanted) -> Response:
    return Fetcher({served.host}).fetch(Request(served.url(path), **wanted))


def test_it_asks_and_gives_what_came():
    with web(say(reply(b"hello", "404 Not Found", "X-Seen: yes"))) as served:
        response = fetch(served, "/a?b=c", method="POST", headers=(("Key", "1"),), body=b"{}")
    assert (response.status, response.body, response.headers["x-seen"]) == (404, b"hello", "yes")
    head = served.heads[0].decode()
    assert head.startswith("POST /a?b=c HTTP/1.1\r\n")
    assert "\r\nKey: 1\r\n" in head
    assert "\r\nContent-Length: 2\r\n" in head


def test_an_answer_without_a_length_ends_with_its_connection():
    with web(say(b"HTTP/1.0 200 OK\r\n\r\nall of it")) as served:
        assert fetch(served).body == b"all of it"


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example/",
        "http://127.0.0.1:1/",
        "https://127.0.0.1:PORT@evil.example/",
        "http://user@127.0.0.1:PORT/",
        "http://127.0.0.1:PORT.evil.example/",
        "file:///etc/passwd",
        "ftp://127.0.0.1:PORT/",
        "ldap://127.0.0.1:PORT/CN=x",
        "http://127.0.0.1:PORT/a b",
        "http://127.0.0.1:PORT/\r\nHost: other",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "//127.0.0.1:PORT/",
        "",
    ],
)
def test_nothing_is_sent_to_what_is_not_allowed(url):
    with web(say(reply())) as served:
        fetcher = Fetcher({served.host, "127.0.0.1"})
        address = url.replace("PORT", str(served.port))
        assert not fetcher.allows(address)
        with pytest.raises(HostRefusedError):
            fetcher.fetch(Request(address))
        assert not served.heads


def test_a_host_without_a_port_is_allowed_at_the_port_of_its_scheme_alone():
    fetcher = Fetcher({"ocsp.example"})
    assert fetcher.allows("http://ocsp.example/")
    assert fetcher.allows("http://OCSP.example:80/")
    assert fetcher.allows("https://ocsp.example/")
    assert not fetcher.allows("http://ocsp.example:8080/")
    assert not fetcher.allows("http://sub.ocsp.example/")
    assert not fetcher.allows("http://ocsp.example./")


def test_a_redirect_is_handed_back_and_not_followed():
    with web(say(reply())) as other, web(say(reply(b"", "302 Found", f"Location: {other.url()}"))) as served:
        assert Fetcher({served.host, other.host}).fetch(Request(served.url())).status == 302
        assert not other.heads


def test_too_much_is_not_taken():
    with web(say(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(300_000))) as served, pytest.raises(AnswerTooLargeError):
        fetch(served, max_size=1000)


def test_less_than_was_announced_is_no_answer():
    with web(say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")) as served, pytest.raises(UnreachableError):
        fetch(served)


@pytest.mark.parametrize("content", [b"SSH-2.0-server\r\n", b"", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"])
def test_what_is_no_http_is_no_answer(content):
    with web(say(content)) as served, pytest.raises(UnreachableError):
        fetch(served)


def _drip(connection: socket.socket, piece: bytes) -> None:
    """Until the other end is gone, which a silent server only hears of."""
    while piece:
        connection.sendall(piece)
        time.sleep(0.02)
    connection.recv(1)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"])
def test_a_server_that_drips_or_is_silent_ends_with_the_time_given_to_all_of_it(start):
    def answer(connection, head):
        connection.sendall(start)
        _drip(connection, b"A" if start else b"")

    with web(answer) as served:
        begun = time.monotonic()
        with pytest.raises(FetchTimeoutError):
            fetch(served, timeout_s=0.5)
        assert time.monotonic() - begun < 5


def test_where_nobody_listens_nothing_is_reached():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UnreachableError):
        Fetcher({f"127.0.0.1:{port}"}).fetch(Request(f"http://127.0.0.1:{port}/"))


def test_a_header_cannot_bring_another():
    with web(say(reply())) as served:
        with pytest.raises(UnreachableError):
            fetch(served, headers=(("Key", "1\r\nX-Other: 2"),))
        assert not served.heads


def test_http_goes_through_the_systems_proxy_with_its_credentials(monkeypatch):
    with web(say(reply(b"by proxy"))) as proxy:
        monkeypatch.setenv("http_proxy", f"http://us%40er:secret@{proxy.host}")
        response = Fetcher({"crl.example"}).fetch(Request("http://crl.example/CRL/a.crl?x=1"))
        assert response.body == b"by proxy"
        head = proxy.heads[0].decode()
        assert head.startswith("GET http://crl.example/CRL/a.crl?x=1 HTTP/1.1\r\n")
        assert "\r\nHost: crl.example\r\n" in head
        assert "\r\nProxy-Authorization: Basic dXNAZXI6c2VjcmV0\r\n" in head


def test_https_asks_the_proxy_for_a_tunnel_and_tells_it_nothing_else(monkeypatch):
    with web(say(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.host)
        with pytest.raises(UnreachableError, match="403"):
            Fetcher({"api.example"}).fetch(Request("https://api.example/secret", headers=(("Key", "secret"),)))
        head = proxy.heads[0].decode()
        assert head.startswith("CONNECT api.example:443 HTTP/1.")
        assert "secret" not in head


def test_a_host_that_the_system_excepts_is_asked_directly(monkeypatch):
    with web(say(reply(b"direct"))) as served:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert fetch(served).body == b"direct"


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A server's context, and the certificate that it shows."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = builder.add_extension(names, critical=True).sign(key, hashes.SHA256())
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, certificate.public_bytes(serialization.Encoding.DER)


def test_a_server_is_taken_by_an_anchor_alone(tls):
    context, anchor = tls
    with web(say(reply(b"over TLS")), context) as served:
        request = Request(served.url(scheme="https"))
        assert Fetcher({served.host}, [anchor]).fetch(request).body == b"over TLS"
        with pytest.raises(UnreachableError, match=r"(?i)certificate"):
            Fetcher({served.host}).fetch(request)
        assert len(served.heads) == 1
