"""Servers that send whatever they like, keys that misbehave, and people who give up: no line, no leak, no crash."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from support.tls_clients import ask, connect, to
from support.tls_keys import memory_key, signer_of
from support.tls_servers import Authority, ServerTerms, TlsServer, nginx, s_server
from support.waiting import wait_until

from agent.services.tls.context import make_context
from agent.services.tls.errors import ClientRefusedError, KeyFaultError, ServerUnreachableError, TlsError
from agent.services.tls.key import TlsKey
from agent.services.tls.line import MAX_HANDSHAKE, Line, LineRequest, open_line
from agent.services.tls.provider import load_provider
from drivers.base import Digest
from drivers.errors import CardRemovedError, PinWrongError

VERSIONS = pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
SEED = 20261126
Talk = Callable[[socket.socket], None]


@pytest.fixture
def served(authority: Authority, tmp_path: Path, version: str) -> Iterator[TlsServer]:
    with nginx(ServerTerms(tmp_path / "server", (authority.der,), versions=(version,))) as server:
        yield server


@contextlib.contextmanager
def talking(talk: Talk, authority: Authority, folder: Path) -> Iterator[TlsServer]:
    """Somebody who is no server of TLS, for one guest."""

    def run() -> None:
        with contextlib.suppress(OSError):
            guest, _ = listener.accept()
            with guest:
                guest.settimeout(10)
                talk(guest)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield TlsServer(listener.getsockname()[1], folder, authority)
        thread.join(10)
        assert not thread.is_alive()


def saying(data: bytes) -> Talk:
    def talk(guest: socket.socket) -> None:
        guest.recv(4096)
        guest.sendall(data)
        guest.shutdown(socket.SHUT_WR)
        while guest.recv(4096):
            pass

    return talk


def raising(error: BaseException) -> Callable[[Digest], bytes]:
    def sign(_: Digest) -> bytes:
        raise error

    return sign


@VERSIONS
@pytest.mark.parametrize("error", [CardRemovedError(), PinWrongError(tries_left=2), RuntimeError("a bug")], ids=repr)
async def test_what_the_key_raises_comes_out_as_it_was(
    authority: Authority, served: TlsServer, error: BaseException
) -> None:
    with pytest.raises(type(error)) as raised:
        await connect(served, memory_key(authority, sign=raising(error)).key)
    assert raised.value is error


@VERSIONS
@pytest.mark.parametrize("length", [0, 1, 255, 257, 100_000])
async def test_attack_a_signature_of_another_length_is_none(
    authority: Authority, served: TlsServer, length: int
) -> None:
    with pytest.raises(KeyFaultError):
        await connect(served, memory_key(authority, sign=lambda _: bytes(length)).key)


@VERSIONS
async def test_attack_a_wrong_signature_is_the_server_s_to_refuse(
    authority: Authority, tmp_path: Path, version: str
) -> None:
    key = memory_key(authority, sign=lambda _: bytes(256))
    terms = ServerTerms(tmp_path / "server", (authority.der,), versions=(version,))
    with s_server(terms) as server, pytest.raises(ClientRefusedError):
        await ask(await connect(server, key.key))


def certificate_of(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, signer: rsa.RSAPrivateKey, hash_name: hashes.HashAlgorithm
) -> bytes:
    name, now = x509.Name([]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    return builder.sign(signer, hash_name).public_bytes(Encoding.DER)


def test_attack_certificates_that_are_none_or_too_weak_are_sentences(authority: Authority) -> None:
    sign, good = signer_of(authority.key), memory_key(authority).key.certificate_der
    elliptic = certificate_of(ec.generate_private_key(ec.SECP256R1()), authority.key, hashes.SHA256())
    small_key = rsa.generate_private_key(65537, 1024)
    small = certificate_of(small_key, authority.key, hashes.SHA256())
    bad = {
        "no RSA key": TlsKey(elliptic, (), False, sign),
        "does not take the certificate: ee key too small": TlsKey(small, (), False, sign),
        "does not take the certificate": TlsKey(b"", (), False, sign),
        "cannot read an issuer": TlsKey(good, (good[:-1],), False, sign),
    }
    for words, key in bad.items():
        with pytest.raises(KeyFaultError, match=words):
            make_context(key)
    assert make_context(memory_key(authority).key, [authority.der])


NONSENSE = {
    "nothing": b"",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "noise": random.Random(SEED).randbytes(5000),
    "half a record": bytes.fromhex("16030300ff02"),
    "a record that is too long": bytes.fromhex("160303ffff") + bytes(70_000),
    "SSL 2": bytes.fromhex("802e0100020015000000100100800200800300800400800500800600400700c0"),
    "alerts without end": bytes.fromhex("15030300020100") * 20_000,
    "a request to begin anew": bytes.fromhex("160303000400000000") * 1000,
    "empty records": bytes.fromhex("1603030000") * 20_000,
    "a warning, then the end": bytes.fromhex("1503030002015a1503030002 0228".replace(" ", "")),
}


@pytest.mark.parametrize("data", NONSENSE.values(), ids=NONSENSE.keys())
async def test_attack_what_is_no_tls_ends_in_a_sentence(authority: Authority, tmp_path: Path, data: bytes) -> None:
    key = memory_key(authority)
    with talking(saying(data), authority, tmp_path) as server, pytest.raises(TlsError):
        await connect(server, key.key)
    assert not key.signed


async def test_attack_a_server_cannot_talk_for_ever(authority: Authority, tmp_path: Path) -> None:
    """A message of 16 MB, in records of their own: OpenSSL alone would wait for its end."""
    record = bytes.fromhex("1603034000") + bytes(0x4000)

    def talk(guest: socket.socket) -> None:
        guest.recv(4096)
        for _ in range(3 * MAX_HANDSHAKE // len(record)):
            guest.sendall(record)

    with talking(talk, authority, tmp_path) as server, pytest.raises(ServerUnreachableError):
        await connect(server, None)


@pytest.mark.parametrize("drip", [b"", b"\x16"])
async def test_attack_a_slow_server_has_its_time_once(authority: Authority, tmp_path: Path, drip: bytes) -> None:
    """The limit is for all of the handshake: a byte now and then buys no more of it."""

    def talk(guest: socket.socket) -> None:
        guest.settimeout(0.05)
        while True:
            if drip:
                guest.sendall(bytes.fromhex("1603030000"))
            with contextlib.suppress(TimeoutError):
                if not guest.recv(4096):
                    return

    context = make_context(None, [authority.der])
    began = time.monotonic()
    with talking(talk, authority, tmp_path) as server, pytest.raises(ServerUnreachableError):
        await open_line(LineRequest("localhost", server.port, context, timeout_s=0.4))
    assert time.monotonic() - began < 5


async def test_whoever_gives_up_hangs_up(authority: Authority, tmp_path: Path) -> None:
    hung_up = threading.Event()
    loop, came = asyncio.get_running_loop(), asyncio.Event()

    def talk(guest: socket.socket) -> None:
        guest.recv(4096)
        loop.call_soon_threadsafe(came.set)
        if guest.recv(4096) == b"":
            hung_up.set()

    with talking(talk, authority, tmp_path) as server:
        opening = asyncio.create_task(connect(server, None))
        async with asyncio.timeout(10):
            await came.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    assert hung_up.is_set()


async def test_a_proxy_makes_a_tunnel_and_learns_no_more(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = []

    def talk(guest: socket.socket) -> None:
        heads.append(guest.recv(4096))
        guest.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n")
        relay(server, bytes)(guest)

    terms = ServerTerms(tmp_path / "server", (authority.der,))
    with nginx(terms) as server, talking(talk, authority, tmp_path) as proxy:
        monkeypatch.setenv("https_proxy", f"http://us%40er:secret@127.0.0.1:{proxy.port}")
        assert "SUCCESS" in await ask(await connect(server, memory_key(authority).key))
    head = heads[0].decode()
    assert head.startswith(f"CONNECT localhost:{server.port} HTTP/1.")
    assert "\r\nProxy-Authorization: Basic dXNAZXI6c2VjcmV0\r\n" in head


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"nonsense\r\n\r\n", b""])
async def test_attack_a_proxy_that_makes_none_is_a_sentence(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    with talking(saying(answer), authority, tmp_path) as proxy:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
        with pytest.raises(ServerUnreachableError):
            await connect(proxy, None)


async def test_attack_a_proxy_that_never_ends_its_answer_has_its_time_once(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def talk(guest: socket.socket) -> None:
        guest.sendall(b"HTTP/1.1 200 OK\r\n")
        guest.settimeout(0.05)
        guest.recv(4096)
        while True:
            guest.sendall(b"X-More: of it\r\n")
            with contextlib.suppress(TimeoutError):
                if not guest.recv(4096):
                    return

    context = make_context(None)
    with talking(talk, authority, tmp_path) as proxy:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
        with pytest.raises(ServerUnreachableError):
            await open_line(LineRequest("localhost", proxy.port, context, timeout_s=0.4))


def relay(server: TlsServer, spoil: Callable[[bytes], bytes]) -> Talk:
    """Somebody between the two, who spoils what the server says."""

    def talk(guest: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as other:
            onwards = threading.Thread(target=_pass_on, args=(guest, other, bytes))
            onwards.start()
            _pass_on(other, guest, spoil)
            onwards.join(10)

    return talk


def _pass_on(source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(change(data))
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@VERSIONS
async def test_attack_spoilt_bytes_never_make_a_line(
    authority: Authority, served: TlsServer, tmp_path: Path, version: str
) -> None:
    chance = random.Random(SEED)
    for _ in range(15):
        key, at, bit = memory_key(authority), chance.randrange(6, 1400), 1 << chance.randrange(8)
        passed = 0

        def spoil(data: bytes, at: int = at, bit: int = bit) -> bytes:
            nonlocal passed
            changed, where = bytearray(data), at - passed
            if 0 <= where < len(changed):
                changed[where] ^= bit
            passed += len(data)
            return bytes(changed)

        with talking(relay(served, spoil), authority, tmp_path) as server, pytest.raises(TlsError):
            await ask(await connect(server, key.key))
        assert version == "TLSv1.2" or not key.signed


@VERSIONS
async def test_a_context_that_nobody_holds_lives_as_long_as_its_handshake(
    authority: Authority, served: TlsServer
) -> None:
    def sign(digest: Digest) -> bytes:
        gc.collect()
        return signer_of(authority.key)(digest)

    context = make_context(memory_key(authority, sign=sign).key, [authority.der])
    opening = asyncio.create_task(open_line(to(served, context)))
    gone = weakref.ref(context)
    del context
    line = await opening
    del opening
    gc.collect()
    assert gone() is not None
    line.close()
    del line
    wait_until(lambda: "cps-agent-tls" not in {thread.name for thread in threading.enumerate()}, "the thread")
    await asyncio.sleep(0)  # the loop lets go of what it woke this test with
    gc.collect()
    assert gone() is None


def _grown_kib(make: Callable[[], object], count: int) -> int:
    before = _resident_kib()
    for _ in range(count):
        make()
    gc.collect()
    return _resident_kib() - before


def _resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def test_two_hundred_contexts_leave_nothing_behind(authority: Authority) -> None:
    key, provider = memory_key(authority).key, load_provider()
    chained = TlsKey(key.certificate_der, (authority.der,), key.pss, key.sign)
    gc.collect()
    known = len(provider.keys)
    made = [make_context(chained) for _ in range(3)]
    assert len(provider.keys) > known
    made.clear()
    grown = _grown_kib(lambda: make_context(chained), 200)
    assert (len(provider.keys), len(provider.signings)) == (known, 0)
    assert grown < 2 * 1024


@VERSIONS
async def test_many_at_once_do_not_take_each_other_s_keys(authority: Authority, served: TlsServer) -> None:
    """Each key notes what it signed; those of every third fail, and no other does."""
    failure = CardRemovedError()
    keys = [memory_key(authority, sign=None if number % 3 else raising(failure)) for number in range(12)]
    results = await asyncio.gather(*(connect(served, key.key) for key in keys), return_exceptions=True)
    for number, (key, result) in enumerate(zip(keys, results, strict=True)):
        assert len(key.signed) == 1
        assert isinstance(result, Line) if number % 3 else result is failure
        if isinstance(result, Line):
            result.close()
    assert len(load_provider().signings) == 0


ENDS = """
import builtins, sys
from support.tls_keys import memory_key
from support.tls_servers import Authority
from agent.services.tls.context import make_context

class Late:
    def __del__(self, context=make_context(memory_key(Authority()).key)): pass

builtins.kept = sys.kept = [make_context(memory_key(Authority()).key), Late()]
"""


def test_the_end_of_the_process_is_no_crash() -> None:
    """OpenSSL frees keys by callbacks of ours while the interpreter takes itself apart."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", ENDS], env=environment, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
