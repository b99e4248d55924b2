"""The listener that the browser comes back to: what it takes, and all that it does not."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import subprocess
from collections.abc import AsyncIterator

import pytest

from agent.services.psc.callback import Callback, NotTheAnswerError, Place, open_callback, read_answer
from agent.services.psc.errors import LoginTimeoutError, RedirectPortError

PLACE = Place(4711, "/callback", "s-1")
QUERY = "/callback?state=s-1&code=c-1"
BROWSER = {
    "Host": "127.0.0.1:4711",
    "User-Agent": "Mozilla/5.0",
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


def head(target: str = QUERY, method: str = "GET", version: str = "HTTP/1.1", **changed: str | None) -> bytes:
    headers = {**BROWSER, **{name.replace("_", "-"): value for name, value in changed.items()}}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"{method} {target} {version}", *lines, "", ""]).encode()


def test_what_a_browser_brings() -> None:
    assert read_answer(head(), PLACE) == {"state": "s-1", "code": "c-1"}
    old = head(Sec_Fetch_Site=None, Sec_Fetch_Mode=None, Sec_Fetch_Dest=None)
    assert read_answer(old, PLACE)["code"] == "c-1"
    assert read_answer(head(Sec_Fetch_Site="none"), PLACE)["code"] == "c-1"
    assert PLACE.uri == "http://127.0.0.1:4711/callback"


@pytest.mark.parametrize(
    "request_head",
    [
        head(QUERY.replace("s-1", "s-2")),
        head("/callback?code=c-1"),
        head("/callback"),
        head("/callback/?state=s-1&code=c-1"),
        head("/Callback?state=s-1&code=c-1"),
        head("/other/../callback?state=s-1&code=c-1"),
        head("http://127.0.0.1:4711" + QUERY),
        head(QUERY + "&code=c-2"),
        head(QUERY + "&state=s-1"),
        head(QUERY + "&a=1" * 20),
        head(QUERY + "&%ff=%ff"),
        head(QUERY + "#x"),
        head(method="POST"),
        head(method="HEAD"),
        head(method="OPTIONS"),
        head(version="HTTP/2"),
        head(Host="localhost:4711"),
        head(Host="evil.example:4711"),
        head(Host="127.0.0.1"),
        head(Host=None),
        head(Origin="https://evil.example"),
        head(Origin="null"),
        head(Sec_Fetch_Site="same-origin"),
        head(Sec_Fetch_Site="same-site"),
        head(Sec_Fetch_Mode="no-cors"),
        head(Sec_Fetch_Mode="cors"),
        head(Sec_Fetch_Dest="iframe"),
        head(Sec_Fetch_Dest="image"),
        head().replace(b"\r\n\r\n", b"\r\nHost: evil.example\r\n\r\n"),
        head().replace(b"User-Agent:", b"Host :"),
        head().replace(b"Mozilla", b"\xff"),
        b"GET /callback\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_what_is_not_the_answer(request_head: bytes) -> None:
    with pytest.raises(NotTheAnswerError):
        read_answer(request_head, PLACE)


@pytest.fixture
async def callback() -> AsyncIterator[Callback]:
    async with open_callback(0, "/callback", "s-1") as opened:
        yield opened


async def say(callback: Callback, request_head: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", callback.place.port)
    writer.write(request_head)
    answer = await reader.read()
    writer.close()
    return answer


def to(callback: Callback, target: str = QUERY, **changed: str | None) -> bytes:
    return head(target, **{"Host": f"127.0.0.1:{callback.place.port}", **changed})


async def test_one_answer_and_no_second(callback: Callback) -> None:
    wrong = await say(callback, to(callback, QUERY.replace("s-1", "s-2")))
    assert wrong.startswith(b"HTTP/1.1 404 ")
    right = await say(callback, to(callback))
    assert right.startswith(b"HTTP/1.1 200 ")
    assert (await say(callback, to(callback, QUERY.replace("c-1", "c-2")))).startswith(b"HTTP/1.1 404 ")
    assert await callback.wait() == {"state": "s-1", "code": "c-1"}


async def test_nothing_is_reflected_and_nothing_may_run(callback: Callback) -> None:
    secret = "<script>alert(1)</script>"
    for target in (f"{QUERY}&error_description={secret}", f"/{secret}"):
        answer = await say(callback, to(callback, target.replace(" ", "%20")))
        assert b"script" not in answer.partition(b"\r\n\r\n")[2]
        assert b"c-1" not in answer
        assert b"Content-Security-Policy: default-src 'none'; " in answer
        assert b"Cache-Control: no-store" in answer
        assert b"Referrer-Policy: no-referrer" in answer
        assert b"Set-Cookie" not in answer
        assert b"Access-Control" not in answer


async def test_the_page_is_in_both_languages(callback: Callback) -> None:
    page = (await say(callback, to(callback))).decode()
    assert "Vous pouvez fermer cette fenêtre" in page
    assert "You may close this window" in page


async def test_whoever_says_nothing_keeps_nobody_out(callback: Callback) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", callback.place.port) for _ in range(7)]
    assert (await say(callback, to(callback))).startswith(b"HTTP/1.1 200 ")
    for _, writer in silent:
        writer.close()


async def test_attack_a_crowd_that_holds_connections_keeps_no_answer_out(callback: Callback) -> None:
    """A page of the browser's own could: the oldest goes. It costs no memory to speak of."""
    crowd = [await asyncio.open_connection("127.0.0.1", callback.place.port) for _ in range(30)]
    turned_away = [reader for reader, _ in crowd[:22]]
    assert await asyncio.gather(*(reader.read() for reader in turned_away)) == [b""] * 22
    assert (await say(callback, to(callback))).startswith(b"HTTP/1.1 200 ")
    assert (await callback.wait())["code"] == "c-1"
    for _, writer in crowd:
        writer.close()


async def test_a_head_without_end(callback: Callback) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", callback.place.port)
    writer.write(b"GET /callback HTTP/1.1\r\nX: " + b"x" * 100_000)
    with_reset = await asyncio.gather(reader.read(), return_exceptions=True)
    assert with_reset[0] == b"" or isinstance(with_reset[0], ConnectionError)
    writer.close()


async def test_nobody_comes(callback: Callback) -> None:
    with pytest.raises(LoginTimeoutError):
        await callback.wait(0.01)


async def test_afterwards_nobody_listens() -> None:
    async with open_callback(0, "/callback", "s-1") as opened:
        port = opened.place.port
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_it_listens_on_loopback_alone(callback: Callback) -> None:
    with socket.socket() as probe:
        probe.settimeout(1)
        with pytest.raises(OSError):
            probe.connect(("127.0.0.2", callback.place.port))


async def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder, pytest.raises(RedirectPortError):
        async with open_callback(holder.getsockname()[1], "/callback", "s-1"):
            pass


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root can be somebody else")
async def test_attack_another_user_who_has_read_the_state_in_the_list_of_processes(callback: Callback) -> None:
    """He answers with a code of his own, bound to the same challenge: the login would be his, in our program."""
    stolen = f"{callback.place.uri}?state={callback.place.state}&code=his-own"
    run = functools.partial(
        subprocess.run, ["curl", "-s", stolen], capture_output=True, user=65534, cwd="/", timeout=20
    )
    told = await asyncio.to_thread(run, check=False)
    assert (told.stdout, told.returncode) in ((b"", 52), (b"", 56))
    assert (await say(callback, to(callback))).startswith(b"HTTP/1.1 200 ")
    assert (await callback.wait())["code"] == "c-1"
