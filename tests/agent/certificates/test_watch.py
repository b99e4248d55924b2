"""When the agent asks: after something is seen, before an answer runs out, later and later while nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.certificates.chains import Chains, TrustTerms
from agent.certificates.revocation import watch
from agent.certificates.revocation.checker import CheckFailedError
from agent.certificates.revocation.memory import Verdicts
from agent.certificates.revocation.messages import CheckRequest
from agent.certificates.revocation.verdict import HOLD, Reason, Source, Status, Verdict, unknown
from agent.certificates.revocation.watch import LAST_RETRY_S, RevocationTerms, RevocationWatch, Watched
from agent.certificates.states import CertificateStates
from agent.certificates.test_root import TestRoot

HOSTS = ("igc.cps-agent.invalid", "ocsp.cps-agent.invalid")
HOUR = timedelta(hours=1)


@dataclass
class ScriptedChecker:
    """Stands where the child is started: gives what the test says, and remembers what was asked, and how many at once."""

    answer: Callable[[], Verdict | Exception]
    asked: list[CheckRequest] = field(default_factory=list)
    running: int = 0
    at_once: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def check(self, request: CheckRequest) -> Verdict:
        self.asked.append(request)
        self.running += 1
        self.at_once = max(self.at_once, self.running)
        try:
            await self.released.wait()
        finally:
            self.running -= 1
        answer = self.answer()
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Desk:
    watch: RevocationWatch
    checker: ScriptedChecker
    verdicts: Verdicts
    cards: list[Watched]
    changes: list[str]
    now: datetime

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.01)

    async def looked(self) -> None:
        """Have it look, and wait until it has."""
        self.watch.look()
        await self.until(lambda: not self.watch._stirred.is_set())

    async def asked(self, count: int) -> None:
        await self.until(lambda: len(self.checker.asked) == count and not self.checker.running)
        await self.until(lambda: self.watch._stirred.is_set() is False)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SETTLE_S", 0.0)


@pytest.fixture
def cards(folder: Path) -> list[Watched]:
    files = sorted((folder / "virtual" / "cards").glob("*/*.der"))
    return [Watched(file.read_bytes(), "99900001", "reader") for file in files]


@asynccontextmanager
async def desk_of(
    folder: Path, cards: list[Watched], answer: Callable[[], Verdict | Exception], **terms: object
) -> AsyncIterator[Desk]:
    """A watch on these cards, whose authorities the settings name."""
    named = folder / "authorities"
    named.mkdir(exist_ok=True)
    for number, der in enumerate(TestRoot(folder).authorities_der()):
        (named / f"{number}.der").write_bytes(der)
    chains = Chains(terms=TrustTerms(test_authorities=(named,)))
    verdicts, checker = Verdicts(folder / "revocation"), ScriptedChecker(answer)
    verdicts.load()
    checker.released.set()
    desk = Desk(
        RevocationWatch(
            chains,
            CertificateStates(chains, verdicts.find, clock=lambda: desk.now),
            verdicts,
            checker,
            RevocationTerms(terms.get("hosts", HOSTS), folder / "revocation"),
        ),
        checker, verdicts, list(cards), [], datetime.now(UTC),
    )  # fmt: skip
    desk.watch.clock = lambda: desk.now
    desk.watch.sources.append(lambda: desk.cards)
    desk.watch.on_change = lambda card, state: desk.changes.append(str(state.name))
    desk.watch.start()
    try:
        yield desk
    finally:
        await desk.watch.stop()


def good(hours: float = 10, at: datetime | None = None) -> Verdict:
    at = at or datetime.now(UTC)
    return Verdict(Status.GOOD, Source.OCSP, at, at + hours * HOUR)


def next_wake_s(desk: Desk) -> float | None:
    return desk.watch._next_due_s(desk.watch._list_watched())


async def test_each_certificate_is_asked_about_once_one_after_the_other(folder: Path, cards: list[Watched]) -> None:
    async with desk_of(folder, cards, good) as desk:
        await desk.asked(len(cards))
        assert desk.checker.at_once == 1
        assert {request.certificate for request in desk.checker.asked} == {card.certificate_der for card in cards}
        assert set(desk.checker.asked[0].hosts) == set(HOSTS)
        assert all(url.startswith("http://") for url in desk.checker.asked[0].crl)
        for _ in range(3):
            await desk.looked()
        await desk.asked(len(cards))
        assert desk.changes == ["valid"] * len(cards)
        assert 6.9 * 3600 < next_wake_s(desk) < 9.1 * 3600  # before the answer runs out


async def test_nothing_here_nothing_wakes(folder: Path) -> None:
    async with desk_of(folder, [], good) as desk:
        await desk.looked()
        assert (next_wake_s(desk), desk.checker.asked) == (None, [])


async def test_before_it_runs_out_it_is_asked_anew(folder: Path, cards: list[Watched]) -> None:
    async with desk_of(folder, cards[:1], good) as desk:
        await desk.asked(1)
        desk.now += 9.5 * HOUR
        desk.checker.answer = lambda: good(at=desk.now)
        desk.watch.look()
        await desk.asked(2)
        assert desk.verdicts.find(cards[0].certificate_der).produced_at == desk.now


async def test_while_nobody_answers_it_waits_longer_each_time(
    folder: Path, cards: list[Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(watch, "FIRST_RETRY_S", 0.02)
    monkeypatch.setattr(watch, "LAST_RETRY_S", 0.08)
    monkeypatch.setattr(watch, "_spread", lambda wait_s: waits.append(wait_s) or wait_s)
    rounds: list[int] = []
    monkeypatch.setattr(RevocationWatch, "_next_due_s", lambda *_: rounds.append(1) or 0.01)
    async with desk_of(folder, cards[:1], lambda: unknown(Reason.OFFLINE)) as desk:
        await desk.until(lambda: len(waits) >= 5)
        assert waits[:5] == [0.02, 0.04, 0.08, 0.08, 0.08]
        desk.checker.answer = good
        await desk.until(lambda: desk.changes == ["valid"])
        asked = len(desk.checker.asked)
        seen = len(rounds)
        await desk.until(lambda: len(rounds) > seen + 20)
        assert len(desk.checker.asked) == asked


async def test_a_worn_contact_makes_nobody_ask_again(folder: Path, cards: list[Watched]) -> None:
    async with desk_of(folder, cards[:1], lambda: unknown(Reason.OFFLINE)) as desk:
        await desk.asked(1)
        for _ in range(5):
            desk.cards.clear()
            await desk.looked()
            desk.cards.append(cards[0])
            await desk.looked()
        await desk.asked(1)
        assert next_wake_s(desk) < LAST_RETRY_S


async def test_a_child_that_fails_is_an_answer_that_is_not_known(
    folder: Path, cards: list[Watched], caplog: pytest.LogCaptureFixture
) -> None:
    async with desk_of(folder, cards[:1], lambda: CheckFailedError("killed")) as desk:
        await desk.asked(1)
        await desk.until(lambda: desk.verdicts.find(cards[0].certificate_der).reason == Reason.CHECK_FAILED)
    assert "killed" in caplog.text


async def test_a_defect_of_ours_does_not_end_the_watch(
    folder: Path, cards: list[Watched], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "FIRST_RETRY_S", 0.02)
    answers: list[Verdict | Exception] = [RuntimeError("a defect"), good()]
    async with desk_of(folder, cards[:1], lambda: answers.pop(0)) as desk:
        await desk.until(lambda: desk.changes == ["valid"])
    assert "could not be found" in caplog.text


async def test_a_revocation_is_told_once_and_for_good(folder: Path, cards: list[Watched]) -> None:
    revoked = Verdict(Status.REVOKED, Source.CRL, datetime.now(UTC), None, datetime.now(UTC), "superseded")
    async with desk_of(folder, cards[:1], lambda: revoked) as desk:
        await desk.until(lambda: desk.changes == ["revoked"])
        desk.now += 4000 * HOUR
        await desk.looked()
        await desk.asked(1)
    async with desk_of(folder, cards[:1], good) as again:
        await again.looked()
        assert (again.changes, again.checker.asked) == ([], [])


async def test_a_suspension_is_taken_back(folder: Path, cards: list[Watched]) -> None:
    held = Verdict(Status.REVOKED, Source.OCSP, datetime.now(UTC), datetime.now(UTC) + HOUR, datetime.now(UTC), HOLD)
    async with desk_of(folder, cards[:1], lambda: held) as desk:
        await desk.until(lambda: desk.changes == ["revoked"])
        desk.now += HOUR
        desk.checker.answer = lambda: good(at=desk.now)
        desk.watch.look()
        await desk.until(lambda: desk.changes == ["revoked", "valid"])


async def test_the_clock_is_set_back(folder: Path, cards: list[Watched]) -> None:
    async with desk_of(folder, cards[:1], good) as desk:
        await desk.asked(1)
        desk.now -= 400 * 24 * HOUR
        desk.watch.look()
        await desk.asked(2)


async def test_time_alone_changes_a_state(folder: Path, cards: list[Watched]) -> None:
    async with desk_of(folder, cards[:1], lambda: good(100_000)) as desk:
        await desk.until(lambda: desk.changes == ["valid"])
        desk.checker.answer = lambda: unknown(Reason.OFFLINE)
        desk.now += 3 * 365 * 24 * HOUR - 50 * 24 * HOUR
        desk.watch.look()
        await desk.until(lambda: desk.changes == ["valid", "expiring"])
        desk.now += 60 * 24 * HOUR
        desk.watch.look()
        await desk.until(lambda: desk.changes == ["valid", "expiring", "expired"])


@pytest.mark.parametrize("hosts", [(), ("elsewhere.example",)])
async def test_where_nobody_may_be_asked_no_child_is_started(
    folder: Path, cards: list[Watched], hosts: tuple[str, ...]
) -> None:
    async with desk_of(folder, cards, good, hosts=hosts) as desk:
        await desk.until(lambda: desk.verdicts.find(cards[-1].certificate_der).reason == Reason.HOST_NOT_ALLOWED)
        assert desk.checker.asked == []


async def test_what_is_forgotten_is_asked_about_anew(folder: Path, cards: list[Watched]) -> None:
    async with desk_of(folder, cards[:1], good) as desk:
        await desk.asked(1)
        assert await desk.watch.forget() == 1
        assert not list((folder / "revocation").iterdir())
        await desk.asked(2)


async def test_the_end_does_not_wait_for_a_check(folder: Path, cards: list[Watched]) -> None:
    async with desk_of(folder, cards, good) as desk:
        desk.checker.released.clear()
        desk.watch.look()
        await desk.until(lambda: desk.checker.asked)
        async with asyncio.timeout(2):
            await desk.watch.stop()
        assert desk.checker.running == 0
