"""A wrong Python or OpenSSL is found out by a child, and said; it costs the agent nothing."""

from __future__ import annotations

import _ssl
import asyncio
import ssl
import sys
from ctypes import CDLL
from gettext import NullTranslations
from pathlib import Path

import pytest
from support.agent import Person, running_agent

from agent.people.tls_words import tls_trouble_words
from agent.services.tls import availability, libssl
from agent.services.tls.availability import Availability, TlsState
from agent.services.tls.context import make_context
from agent.services.tls.errors import TlsUnavailableError
from agent.services.tls.selftest import try_out
from drivers.virtual.link import VirtualReaders

CRASH = "import os; os.abort()"
HANG = "import time; time.sleep(60)"
BAD = [
    (CRASH, "crashed"),
    ("print('nonsense')", "crashed"),
    ("print('[true]')", "crashed"),
    ("print('x' * 1_000_000)", "fails"),
    ('import sys; print(\'{"available": true, "tls13": true}\'); sys.exit(3)', "crashed"),
    (HANG, "does not end"),
]


def playing(code: str, timeout_s: float = 20.0) -> Availability:
    return Availability([sys.executable, "-c", code], timeout_s)


async def test_here_both_versions_work() -> None:
    assert try_out() == {"available": True, "tls13": True, "reason": None}
    found = Availability()
    assert found.known is None
    assert await found.require() == found.known == TlsState(available=True, tls13=True, reason=None)


def test_without_a_place_for_its_file_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    told = try_out()
    assert (told["available"], told["tls13"]) == (False, False)
    assert "nowhere" in str(told["reason"])


@pytest.mark.parametrize(("code", "reason"), BAD)
async def test_a_child_that_says_nothing_good_is_a_reason(code: str, reason: str) -> None:
    with pytest.raises(TlsUnavailableError, match=reason):
        await playing(code, 0.5 if code == HANG else 20.0).require()


async def test_it_is_tried_once_whoever_asks(tmp_path: Path) -> None:
    found = playing(f"open({str(tmp_path / 'runs')!r}, 'a').write('x'); print('{{\"available\": true}}')")
    states = await asyncio.gather(*(found.require() for _ in range(5)))
    assert {(state.available, state.tls13) for state in states} == {(True, False)}
    assert (tmp_path / "runs").read_text() == "x"


async def test_whoever_does_not_wait_any_more_does_not_end_it() -> None:
    found = playing("import time; time.sleep(0.2); print('{\"available\": true}')")
    asking_first = asyncio.create_task(found.require())
    await asyncio.sleep(0)
    asking_first.cancel()
    assert (await found.require()).available
    await found.close()


async def test_the_end_of_the_agent_ends_it() -> None:
    found = playing(HANG)
    waiting = asyncio.create_task(found.find())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await found.close()
    assert found.known is None
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_an_older_openssl_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl, "OPENSSL_VERSION_INFO", (1, 1, 1, 23, 15))
    monkeypatch.setattr(ssl, "OPENSSL_VERSION", "OpenSSL 1.1.1w  11 Sep 2023")
    with pytest.raises(TlsUnavailableError, match=r"1\.1\.1w .*: 3\.0 or later"):
        libssl.load_openssl.__wrapped__()


def test_another_openssl_than_pythons_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl, "OPENSSL_VERSION_NUMBER", 0x30500000)
    with pytest.raises(TlsUnavailableError, match="another OpenSSL"):
        libssl.load_openssl.__wrapped__()


def test_an_openssl_within_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("_ssl.__file__")
    with pytest.raises(TlsUnavailableError, match="built into"):
        libssl.load_openssl.__wrapped__()


def test_on_windows_the_library_beside_python_s_own_module_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def load(place: str) -> CDLL:
        tried.append(place)
        if len(tried) < 4:
            raise OSError
        return CDLL(None)

    monkeypatch.setattr(libssl, "CDLL", load)
    monkeypatch.setattr(sys, "platform", "win32")
    assert len(libssl._libraries()) == 2
    folder = Path(_ssl.__file__).parent
    assert tried == [
        *(str(folder / f"{name}.dll") for name in ("libssl-3", "libssl-3-x64", "libssl-3-arm64")),
        "libssl-3",
        str(folder / "libcrypto-3.dll"),
    ]


def test_on_windows_without_any_library_that_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(TlsUnavailableError, match="no libssl is loaded"):
        libssl._libraries()


def test_nothing_is_written_to_what_does_not_answer_as_the_context_does() -> None:
    class Other(ssl.SSLContext):
        """Tells something else than its SSL_CTX."""

        @property
        def options(self) -> ssl.Options:
            return ssl.OP_NO_TICKET

    with pytest.raises(TlsUnavailableError, match="not those of its OpenSSL"):
        libssl.load_openssl().context_pointer(Other(ssl.PROTOCOL_TLS_CLIENT))


async def test_without_a_key_nothing_of_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.services.tls.context.load_openssl", lambda: pytest.fail("not needed"))
    assert make_context(None).verify_mode is ssl.CERT_REQUIRED


async def test_the_agent_tells_programs_and_the_command_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "SETTLE_S", 0.0)
    async with running_agent(folder, Person(), VirtualReaders([])) as agent:
        async with asyncio.timeout(20):
            while (told := (await agent.program("GET", "/v1/status")).body["tls"]) is None:
                await asyncio.sleep(0.05)
        assert told == {"available": True, "tls13": True, "reason": None}
        assert "tls" not in (await agent.page("GET", "/v1/status")).body
    assert tls_trouble_words(told, NullTranslations()) is None


def test_what_does_not_work_is_said() -> None:
    old = {"available": False, "tls13": False, "reason": "OpenSSL 1.1.1w: 3.0 or later is needed"}
    half = {"available": True, "tls13": False, "reason": "no PSS"}
    words = NullTranslations()
    assert tls_trouble_words(old, words) == f"TLS with the key of a card is not available: {old['reason']}"
    assert tls_trouble_words(half, words) == "TLS 1.3 with the key of a card is not available: no PSS"
    assert tls_trouble_words(None, words) is None
