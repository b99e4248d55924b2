"""The parts that channels are made of: shared work, cuts, one signature for one handshake, small calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent.fetching import HostRefusedError
from agent.services.catalog import Service
from agent.services.channels.bodies import Upload
from agent.services.channels.calls import find_target
from agent.services.channels.cutting import Cut
from agent.services.channels.errors import ChannelEndedError, ServiceTimeoutError
from agent.services.channels.signing import SAMPLE, HandshakeSigner
from agent.services.channels.values import ChannelEnd, Outgoing
from agent.services.tls.errors import NotResumedError
from agent.sharing import Shared
from drivers.base import Digest


async def test_work_goes_on_while_somebody_waits_for_it() -> None:
    shared: Shared[int] = Shared()
    begun, go = [], asyncio.Event()

    async def work() -> int:
        begun.append(1)
        await go.wait()
        return 7

    waiters = [asyncio.ensure_future(shared.join("key", work)) for _ in range(3)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*waiters[1:]) == [7, 7]
    assert begun == [1]
    assert await shared.join("key", work) == 7
    assert begun == [1, 1]


async def test_work_that_nobody_waits_for_ends_and_the_next_one_begins_anew() -> None:
    shared: Shared[str] = Shared()
    ended: list[str] = []

    async def work() -> str:
        try:
            return await asyncio.Future()
        finally:
            ended.append("first")

    waiter = asyncio.ensure_future(shared.join("key", work))
    await asyncio.sleep(0.01)
    waiter.cancel()
    await asyncio.wait([waiter])
    assert await shared.join("key", lambda: asyncio.sleep(0, "second")) == "second"
    assert ended == ["first"]


async def test_a_failure_is_told_to_all_who_wait() -> None:
    shared: Shared[None] = Shared()

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    outcomes = await asyncio.gather(*(shared.join("key", fail) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ValueError] * 3


async def test_a_block_is_ended_from_outside_with_the_error_of_who_ends_it() -> None:
    cut = Cut()
    asyncio.get_running_loop().call_soon(cut.end, ChannelEndedError(ChannelEnd.LOCKED))
    with pytest.raises(ChannelEndedError) as raised:
        async with cut:
            await asyncio.Future()
    assert raised.value.end is ChannelEnd.LOCKED
    cut.end(ValueError())  # too late: nothing happens
    cut.allow(1)


async def test_a_service_that_takes_nothing_is_given_up_and_a_slow_caller_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.services.channels.bodies.TAKE_S", 0.05)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(0.1)
        yield b"second"

    taken: list[bytes] = []

    async def take() -> None:
        async with Cut() as cut:
            async for piece in Upload(pieces(), cut):
                taken.append(piece)
                if piece == b"second":
                    await asyncio.Future()

    with pytest.raises(ServiceTimeoutError):
        await take()
    assert taken == [b"first", b"second"]


async def test_a_cut_that_was_decided_is_not_undone_by_who_waits_longer() -> None:
    async def be_cut() -> None:
        async with Cut() as cut:
            cut.end(ChannelEndedError(ChannelEnd.AWAY))
            cut.allow(60)
            await asyncio.Future()

    with pytest.raises(ChannelEndedError):
        await be_cut()


async def test_a_body_is_given_once() -> None:
    async with Cut() as cut:
        upload = Upload(b"<soap/>", cut)
        assert [piece async for piece in upload] == [b"<soap/>"]
        assert [piece async for piece in upload] == []


class Key:
    """An unlocked key that counts."""

    def __init__(self) -> None:
        self.signed = 0
        self.go = asyncio.Event()

    async def sign(self, digest: Digest) -> bytes:
        await self.go.wait()
        self.signed += 1
        return digest.value


async def test_a_handshake_gets_one_signature_and_none_once_its_block_has_ended() -> None:
    key = Key()
    key.go.set()
    with HandshakeSigner(key) as signer:  # type: ignore[arg-type]
        assert await asyncio.to_thread(signer.sign, SAMPLE) == SAMPLE.value
        with pytest.raises(NotResumedError):
            await asyncio.to_thread(signer.sign, SAMPLE)
    with HandshakeSigner(key) as unused:  # type: ignore[arg-type]
        pass
    with pytest.raises(NotResumedError):
        await asyncio.to_thread(unused.sign, SAMPLE)
    assert key.signed == 1


async def test_attack_a_handshake_that_lasts_longer_than_its_channel() -> None:
    """A server takes its time; meanwhile the person has left, and the code is still there."""
    key, wanted = Key(), [True]
    key.go.set()
    with HandshakeSigner(key, lambda: wanted[0]) as signer:  # type: ignore[arg-type]
        wanted[0] = False
        with pytest.raises(NotResumedError):
            await asyncio.to_thread(signer.sign, SAMPLE)
    assert key.signed == 0


async def test_a_signature_that_is_under_way_ends_with_the_block() -> None:
    """The code is wiped then: it must not be sent to the card as zeros."""
    key = Key()
    with HandshakeSigner(key) as signer:  # type: ignore[arg-type]
        signing = asyncio.ensure_future(asyncio.to_thread(signer.sign, SAMPLE))
        await asyncio.sleep(0.05)
    key.go.set()
    with pytest.raises(BaseException):  # noqa: B017 - the thread's own cancellation, whatever it is called
        await signing
    assert key.signed == 0


SERVICE = Service(title="PSC", url="https://auth.example:8443/auth/realms/x")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://auth.example:8443/auth/realms/x", "/auth/realms/x"),
        ("https://auth.example:8443/auth/realms/x/token?a=b", "/auth/realms/x/token?a=b"),
    ],
)
def test_addresses_of_the_service_itself(url: str, target: str) -> None:
    assert find_target(SERVICE, url) == target


@pytest.mark.parametrize(
    "url",
    [
        "https://auth.example/auth/realms/x/token",
        "https://auth.example:8443/auth/realms/xy",
        "https://auth.example:8443/auth/realms/x/../../admin",
        "https://auth.example:8443/other",
        "http://auth.example:8443/auth/realms/x",
        "https://evil.example:8443/auth/realms/x",
        "https://auth.example:8443@evil.example/auth/realms/x",
        "https://auth.example:8443/auth/realms/x#y",
        "https://auth.example:99999/auth/realms/x",
        "https://[auth.example/auth/realms/x",
        "/auth/realms/x",
    ],
)
def test_no_other_address_is_called_over_its_channel(url: str) -> None:
    with pytest.raises(HostRefusedError):
        find_target(SERVICE, url)


def test_a_target_begins_with_a_slash() -> None:
    with pytest.raises(ValueError, match="evil"):
        Outgoing("GET", ".evil.example/")
