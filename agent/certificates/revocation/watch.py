"""When to ask about revocation: after a certificate is seen, and before an answer runs out. One child at a time.

Nothing here is ever waited for by a use of a card. When nothing is due, nothing wakes up.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from agent.access.clock import Clock, utc_now
from agent.certificates.chains import Chains
from agent.certificates.revocation.addresses import Addresses, read_addresses
from agent.certificates.revocation.checker import Checker, CheckFailedError
from agent.certificates.revocation.memory import Verdicts
from agent.certificates.revocation.messages import CheckRequest
from agent.certificates.revocation.verdict import (
    RENEW_AFTER,
    RENEW_EARLIEST,
    Reason,
    Status,
    Verdict,
    merge,
    unknown,
)
from agent.certificates.states import CertificateState, CertificateStates
from drivers.card.certificate import Certificate, parse_certificate
from drivers.errors import CardUnknownError

log = logging.getLogger(__name__)

SETTLE_S = 3.0
"""After a certificate is seen: whoever waits for the card goes first."""
FIRST_RETRY_S, LAST_RETRY_S = 60.0, 3600.0
JITTER: Final = 0.1
LONGEST_SLEEP_S: Final = 24 * 3600.0
"""The clock may be set meanwhile: then what is due is found within a day, or when the next certificate is seen."""
MAX_WATCHED: Final = 64
MAX_NOTED: Final = 256


@dataclass(frozen=True, slots=True)
class Watched:
    """A certificate that is at this desk now, and the token that holds it. `reader` None: none does."""

    certificate_der: bytes
    card_number: str
    reader: str | None = None


@dataclass(frozen=True, slots=True)
class RevocationTerms:
    """Who may be asked, and where answers are kept."""

    hosts: tuple[str, ...]
    folder: Path


OnChange = Callable[[Watched, CertificateState], None]


class RevocationWatch:
    """Keeps the verdicts on what `sources` show; tells each change of state."""

    def __init__(
        self, chains: Chains, states: CertificateStates, verdicts: Verdicts, checker: Checker, terms: RevocationTerms
    ) -> None:
        self.sources: list[Callable[[], Iterable[Watched]]] = []
        self.on_change: OnChange = lambda *_: None
        self.clock: Clock = utc_now
        self._chains = chains
        self._states = states
        self._verdicts = verdicts
        self._checker = checker
        self._terms = terms
        self._renew_after = random.uniform(RENEW_EARLIEST, RENEW_AFTER)  # noqa: S311 - no secret
        self._stirred = asyncio.Event()
        self._retries: dict[bytes, _Retry] = {}
        self._told: dict[bytes, CertificateState] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Watch from now on."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End, with the child if one runs."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def look(self) -> None:
        """Something may have come: look at the sources soon."""
        self._stirred.set()

    async def look_up(self, certificate_der: bytes, lent_der: Iterable[bytes] = ()) -> Verdict:
        """What is known of a certificate that is at no desk, such as a server's: asked about now where that is due.

        `lent_der`: certificates that may link it to a root.
        """
        if self._is_due(certificate_der):
            await self._look_at(certificate_der, lent_der)
        return self._verdicts.find(certificate_der)

    async def forget(self) -> int:
        """Know nothing any more; what is here is asked about anew. Gives how many were known."""
        count = await asyncio.to_thread(self._verdicts.forget)
        self._retries.clear()
        self.look()
        return count

    async def _run(self) -> None:
        while True:
            try:
                await self._round()
            except Exception:  # the edge of a task that nobody waits for
                log.exception("the state of a certificate could not be found")
                await asyncio.sleep(FIRST_RETRY_S)

    async def _round(self) -> None:
        """Ask about everything that is due, tell what has changed, and sleep until something is due again."""
        watched = self._list_watched()
        for each in watched:
            self._tell(each)
            if self._is_due(each.certificate_der):
                await self._look_at(each.certificate_der)
                self._tell(each)
            await asyncio.sleep(0)  # chains are looked for: many of them would hold up everything else
        await self._sleep(self._next_due_s(watched))

    async def _sleep(self, time_s: float | None) -> None:
        try:
            await asyncio.wait_for(self._stirred.wait(), time_s)
        except TimeoutError:
            return
        await asyncio.sleep(SETTLE_S)
        self._stirred.clear()

    def _list_watched(self) -> list[Watched]:
        found = {each.certificate_der: each for source in self.sources for each in source()}
        return list(found.values())[:MAX_WATCHED]

    def _is_due(self, der: bytes) -> bool:
        retry = self._retries.get(der)
        if retry is not None:
            return asyncio.get_running_loop().time() >= retry.at
        verdict = self._verdicts.find(der)
        if verdict.is_final:
            return False
        renew_at = verdict.renew_at(self._renew_after)
        # A clock that was set back behind the answer makes it no fresher.
        return renew_at is None or not (verdict.produced_at or renew_at) - timedelta(days=1) <= self.clock() < renew_at

    async def _look_at(self, der: bytes, lent_der: Iterable[bytes] = ()) -> None:
        """Find a verdict, by the child where there is somebody to ask."""
        request, verdict = self._prepare(der, lent_der)
        if request is not None:
            verdict = await self._check(request)
        before = self._verdicts.find(der)
        after = merge(before, verdict, self.clock())
        self._plan(der, after, asked=request is not None)
        if after != before:
            self._verdicts.put(der, after)
        if after != before and {before.status, after.status} != {Status.UNKNOWN}:
            await asyncio.to_thread(self._verdicts.save)

    def _prepare(self, der: bytes, lent_der: Iterable[bytes]) -> tuple[CheckRequest | None, Verdict]:
        """The question to ask, or why there is none. A certificate alone makes the agent ask nobody."""
        try:
            certificate = parse_certificate(der)
        except CardUnknownError:
            return None, unknown(Reason.UNREADABLE)
        chain = self._chains.find(certificate, lent_der)
        if chain is None:
            return None, unknown(Reason.ISSUER_UNKNOWN)
        if self._chains.is_of_test_root(chain):
            return None, unknown(Reason.TEST_CARD)
        addresses = read_addresses(certificate)
        if not addresses:
            return None, unknown(Reason.NOT_PUBLISHED)
        allowed = self._allowed(addresses)
        if not allowed:
            return None, unknown(Reason.HOST_NOT_ALLOWED)
        return self._request(certificate, chain, allowed), unknown(Reason.NOT_CHECKED)

    def _allowed(self, addresses: Addresses) -> Addresses:
        hosts = self._terms.hosts
        ocsp = tuple(url for url in addresses.ocsp if is_allowed(url, hosts))
        return Addresses(ocsp, tuple(url for url in addresses.crl if is_allowed(url, hosts)))

    def _request(self, certificate: Certificate, chain: tuple[bytes, ...], addresses: Addresses) -> CheckRequest:
        return CheckRequest(
            certificate=certificate.der,
            chain=list(chain),
            ocsp=list(addresses.ocsp),
            crl=list(addresses.crl),
            hosts=list(self._terms.hosts),
            folder=str(self._terms.folder),
            renew_after=self._renew_after,
        )

    async def _check(self, request: CheckRequest) -> Verdict:
        try:
            return await self._checker.check(request)
        except CheckFailedError as error:
            log.warning("a certificate could not be checked for revocation: %s", error)
            return unknown(Reason.CHECK_FAILED)

    def _plan(self, der: bytes, verdict: Verdict, *, asked: bool) -> None:
        """A good answer says itself when it runs out; without one, again later, and later still.

        Where there was nobody to ask, the next look is no more than that: a chain may have been found by then.
        """
        renew_at = verdict.renew_at(self._renew_after)
        if not asked or verdict.is_final or (renew_at is not None and self.clock() < renew_at):
            self._retries.pop(der, None)
            return
        before = self._retries.get(der)
        wait_s = min(before.wait_s * 2, LAST_RETRY_S) if before else FIRST_RETRY_S
        _limit(self._retries)
        self._retries[der] = _Retry(asyncio.get_running_loop().time() + _spread(wait_s), wait_s)

    def _tell(self, watched: Watched) -> None:
        """Tell a state that is not what it was; what is seen for the first time has not changed."""
        der = watched.certificate_der
        state, before = self._states.find(der), self._told.pop(der, None)
        self._told[der] = state
        if before is not None and before.name is not state.name:
            self.on_change(watched, state)
        _limit(self._told)

    def _next_due_s(self, watched: list[Watched]) -> float | None:
        """Seconds until something is due or a date passes; None while nothing is here."""
        if not watched:
            return None
        now, loop_now = self.clock(), asyncio.get_running_loop().time()
        waits = [LONGEST_SLEEP_S]
        for each in watched:
            retry = self._retries.get(each.certificate_der)
            verdict = self._verdicts.find(each.certificate_der)
            waits += [retry.at - loop_now] if retry else _until(verdict.renew_at(self._renew_after), now)
            waits += _until(verdict.holds_until() if verdict.status is Status.GOOD else None, now)
        return max(min(waits), 1.0)


@dataclass(frozen=True, slots=True)
class _Retry:
    """When to ask again, on the clock of the loop, and how long was waited for it."""

    at: float
    wait_s: float


def is_allowed(url: str, hosts: Iterable[str]) -> bool:
    """Whether the host of a URL is among these, each with a port or without. Raises nothing."""
    scheme, _, rest = url.partition("://")
    authority = rest.partition("/")[0].partition("?")[0].partition("#")[0].lower()
    default = {"http": ":80", "https": ":443"}.get(scheme.lower(), "")
    return authority in hosts or authority.removesuffix(default) in hosts


def _limit(kept: dict[bytes, Any]) -> None:
    """Forget what was noted first, once much was."""
    while len(kept) >= MAX_NOTED:
        del kept[next(iter(kept))]


def _until(moment: datetime | None, now: datetime) -> list[float]:
    return [] if moment is None or moment <= now else [(moment - now).total_seconds()]


def _spread(wait_s: float) -> float:
    """Not all workstations at once."""
    return wait_s * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
