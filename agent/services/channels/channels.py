"""All open channels: found, opened once a person has agreed, and ended with what they were opened for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent.access.callers import Caller, CallerKind
from agent.access.errors import StoreError
from agent.access.grants import GrantChange, GrantEvent
from agent.cards.sessions import read_boot_clock
from agent.cards.software import is_software_number
from agent.cards.uses import UnlockedKey, UseRecord, UseRequest
from agent.people.presence import AwayReason
from agent.people.prompt import Action
from agent.services.catalog import ClientCertificate, Service
from agent.services.channels.channel import Channel, Life, Parties
from agent.services.channels.dialing import Dialers
from agent.services.channels.errors import CertificateKindError, CertificateUnnamedError, ChannelEndedError
from agent.services.channels.history import OPEN, describe_end, describe_sign_in, tell_ended, tell_opened
from agent.services.channels.signing import SAMPLE, HandshakeSigner
from agent.services.channels.standing import Standing
from agent.services.channels.values import ChannelEnd
from agent.sharing import Shared
from drivers.base import KeyInfo, KeyRole
from drivers.errors import CardRemovedError

if TYPE_CHECKING:
    from agent.cards.card import Card
    from agent.services.opening import ServiceNeeds

log = logging.getLogger(__name__)


class Channels:
    """Those of every caller. All methods run in the event loop.

    A channel lasts for settings.pin_session_minutes; where these are none, until nothing is under way. One that belongs
    to a login lasts for the minutes that `open` is told.
    """

    def __init__(self, needs: ServiceNeeds, dialers: Dialers, clock: Callable[[], float] = read_boot_clock) -> None:
        self._needs = needs
        self._dialers = dialers
        self._clock = clock
        self._minutes = needs.settings.pin_session_minutes
        self._known: dict[Channel, asyncio.Task[None]] = {}
        self._opening: Shared[Channel] = Shared()
        self._renewing: Shared[None] = Shared()
        self._notes: set[asyncio.Task[None]] = set()
        self._unsubscribe = needs.grants.subscribe(self._follow_grants)

    async def open(self, use: UseRequest, name: str, service: Service, minutes: int | None = None) -> Channel:
        """The caller's channel to the service with the card that `use` asks for: the open one, or a new one.

        The person is asked, and a key signs, for a new one alone; callers that come meanwhile wait for the same answer.
        Raises CertificateUnnamedError, CertificateKindError, what CardUses.sign raises, and the errors of TLS.
        """
        _require_kind(use, service)
        channel = self._find(use, name, service)
        if channel is not None:
            return channel
        stays = self._minutes if minutes is None else minutes
        subjects = (service.title, service.host)
        use = replace(use, action=Action.CONNECT, subjects=subjects, sample=SAMPLE, stays_minutes=stays or None)
        key = (use.caller, name, use.card_number, use.card and id(use.card))
        parties = Parties(use.caller, name, service, minutes=minutes)
        return await self._opening.join(key, lambda: self._begin(use, parties))

    def list_for(self, caller: Caller) -> list[Channel]:
        """The open ones that this caller may see: a page its own, a program of this user all of them."""
        return [channel for channel in self._known if channel.is_ready and _may_see(caller, channel.parties.caller)]

    def end_where(self, reason: ChannelEnd, condition: Callable[[Channel], bool] = lambda _: True) -> int:
        """End the channels that the condition holds for, those being opened as well. Gives their number."""
        ended = [channel for channel in self._known if condition(channel)]
        for channel in ended:
            self._end(channel, reason)
        return len(ended)

    def lock(self, caller: Caller) -> int:
        """The person wants to be asked again: end what this caller sees. Gives the number."""
        return self.end_where(ChannelEnd.LOCKED, lambda channel: _may_see(caller, channel.parties.caller))

    def leave(self, reason: AwayReason) -> None:  # noqa: ARG002 - whatever took the person away
        """The person is not at the desk any more."""
        self.end_where(ChannelEnd.AWAY)

    async def close(self) -> None:
        """End everything with the agent."""
        self._unsubscribe()
        await self._opening.close()
        await self._renewing.close()
        self.end_where(ChannelEnd.STOPPED)
        await asyncio.gather(*self._notes, return_exceptions=True)

    def _find(self, use: UseRequest, name: str, service: Service) -> Channel | None:
        now_s = self._clock()  # which went on while the machine slept
        self.end_where(ChannelEnd.EXPIRED, lambda channel: now_s >= channel.life.deadline_s)
        for channel in self._known:
            parties = channel.parties
            same = parties.caller == use.caller and parties.name == name and parties.service is service
            if channel.is_ready and same and self._is_meant(parties, use):
                return channel
        return None

    def _is_meant(self, parties: Parties, use: UseRequest) -> bool:
        """Whether the card of an open channel is the one that the same request would be given without it."""
        card = parties.card
        if card is None or use.card is not None:
            return card is use.card
        if not self._needs.cards.holds(card):
            return False
        if use.card_number is not None:
            return card.number == use.card_number
        usable = self._needs.cards.usable
        return not card.is_software and (_are(usable, (card,)) or _are(usable, parties.among))

    async def _begin(self, use: UseRequest, parties: Parties) -> Channel:
        if parties.service.certificate is ClientCertificate.NONE:
            channel = self._start(use, parties, None)
            tell_opened(self._needs.cards.events, channel)
            return channel
        await self._dialers.require()
        began_s = time.monotonic()

        async def make(key: UnlockedKey) -> Channel:
            standing.require()  # before the key signs
            among = tuple(self._needs.cards.usable) if use.card_number is None else ()
            channel = self._start(use, replace(parties, card=key.card, among=among), key.info)
            with self._ended_on_failure(channel):
                await _sign_in(channel, key)
            return channel

        with Standing(self._needs.grants, use.caller) as standing:
            channel = await self._needs.uses.sign(use, KeyRole.AUTHENTICATION, make)
        with self._ended_on_failure(channel):
            await self._needs.journal.record(describe_sign_in(channel.parties, use.record, began_s))
        tell_opened(self._needs.cards.events, channel)
        return channel

    def _start(self, use: UseRequest, parties: Parties, key: KeyInfo | None) -> Channel:
        life = Life.of(self._minutes if parties.minutes is None else parties.minutes, self._clock())
        dialer = self._dialers.make(parties.service, key)
        channel = Channel(parties, life, dialer, lambda: self._sign_in_again(channel, use), self._note_rest)
        self._known[channel] = asyncio.create_task(self._watch(channel))
        return channel

    async def _sign_in_again(self, channel: Channel, use: UseRequest) -> None:
        await self._renewing.join(channel, lambda: self._renew(channel, use))

    async def _renew(self, channel: Channel, use: UseRequest) -> None:
        """With the code that the person lets the agent keep, or one that is asked now."""
        began_s, record = time.monotonic(), UseRecord(OPEN)
        use = replace(use, card=channel.parties.card, record=record)
        await self._needs.uses.sign(use, KeyRole.AUTHENTICATION, lambda key: _sign_in(channel, key))
        await self._needs.journal.record(describe_sign_in(channel.parties, record, began_s))

    async def _watch(self, channel: Channel) -> None:
        """End the channel with its time or its card, whichever goes first."""
        reason = ChannelEnd.EXPIRED
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, channel.life.deadline_s - self._clock())):
                await self._wait_gone(channel.parties.card)
            reason = ChannelEnd.CARD_GONE
        self._end(channel, reason)

    async def _wait_gone(self, card: Card | None) -> None:
        if card is None:
            await asyncio.Future()
        else:
            await self._needs.cards.wait_gone(card)

    def _note_rest(self, channel: Channel) -> None:
        """Nothing is under way on the channel."""
        if not self._minutes and channel.parties.minutes is None:
            self._end(channel, ChannelEnd.EXPIRED)

    def _follow_grants(self, change: GrantChange) -> None:
        """Whoever loses a grant loses what was opened on the strength of it."""
        if change.event is not GrantEvent.GIVEN:
            key = change.grant.caller.key
            self.end_where(ChannelEnd.REVOKED, lambda channel: channel.parties.caller.key == key)

    @contextlib.contextmanager
    def _ended_on_failure(self, channel: Channel) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._end(channel, ChannelEnd.CLOSED)
            raise

    def _end(self, channel: Channel, reason: ChannelEnd) -> None:
        watch = self._known.pop(channel, None)
        if watch is None:
            return
        if watch is not asyncio.current_task():
            watch.cancel()
        channel.end(reason)
        if channel.is_ready:
            tell_ended(self._needs.cards.events, channel)
            self._spawn(self._note_end(channel))

    async def _note_end(self, channel: Channel) -> None:
        try:
            await self._needs.journal.record(describe_end(channel))
        except StoreError as error:
            log.error("the end of a channel cannot be noted: %s", error)  # noqa: TRY400 - one line is enough

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)


async def _sign_in(channel: Channel, key: UnlockedKey) -> None:
    try:
        with HandshakeSigner(key, lambda: channel.life.end is None) as signer:
            await channel.sign_in(signer.sign)
    except ChannelEndedError as error:
        if error.end is ChannelEnd.CARD_GONE:
            raise CardRemovedError from error  # nothing was sent
        raise


def _require_kind(use: UseRequest, service: Service) -> None:
    """A service's certificate is said by the catalog: a card is no stand-in for an organisation, nor the other way."""
    number = use.card_number if use.card is None else use.card.number
    software = is_software_number(number)
    if service.certificate is ClientCertificate.SOFTWARE and number is None:
        raise CertificateUnnamedError
    if service.certificate is ClientCertificate.SOFTWARE and not software:
        raise CertificateKindError("this service is for software certificates")
    if service.certificate is ClientCertificate.CARD and software:
        raise CertificateKindError("this service is for cards")


def _are(cards: Sequence[Card], others: Sequence[Card]) -> bool:
    """Whether these are the very cards."""
    return len(cards) == len(others) and all(one is other for one, other in zip(cards, others, strict=True))


def _may_see(caller: Caller, owner: Caller) -> bool:
    return caller.kind is CallerKind.PROGRAM or caller.key == owner.key
