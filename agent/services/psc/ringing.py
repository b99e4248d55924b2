"""Logins on another device (CIBA): one at a time for the desk; its number is compared here and there."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from agent.access.consents import asker_of
from agent.access.errors import StoreError
from agent.cards.e_cps import ECpsHolder
from agent.cards.events import Event, EventType
from agent.people.presence import AwayReason
from agent.people.prompt import PROMPT_TIMEOUT_S, Notice, NoticeKind, NumberSummary, Prompt, PromptError
from agent.services.psc.checking import Asked
from agent.services.psc.checks import check_level
from agent.services.psc.ciba import Channel, CibaTerms, begin, choose_number, poll
from agent.services.psc.errors import (
    CibaAbsentError,
    LoginAbandonedError,
    LoginCardGoneError,
    LoginOpenError,
    LoginRefusedError,
    NobodyNamedError,
    OtherPersonError,
)
from agent.services.psc.leaving import do_unless
from agent.services.psc.restraint import Restraint
from drivers.errors import CardRemovedError, DriverError

if TYPE_CHECKING:
    from agent.cards.card import Card
    from agent.services.catalog import Client
    from agent.services.opening import ServiceNeeds
    from agent.services.psc.metadata import Metadata
    from agent.services.psc.opening import ProSanteConnect, Use
    from agent.services.psc.persons import Professional
    from agent.services.psc.sessions import PscSession

log = logging.getLogger(__name__)

T = TypeVar("T")

PURPOSE: Final = "psc {}"
MAX_RINGS: Final = 5
RINGS_S: Final = 600.0
"""So many logins without an outcome within so long: a phone that rings on and on gets a yes for the sake of peace."""
PRODUCTION: Final = "auth.esw.esante.gouv.fr"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is to log in, and how. `login_hint`: the national id; None: that of the card in the reader."""

    login_hint: str | None = None
    channel: Channel = Channel.MOBILE
    acr: str | None = None


@dataclass(frozen=True, slots=True)
class Called:
    """Whom a login is for. `card`: theirs, where it is in a reader: the login ends with it."""

    national_id: str
    card: Card | None


class Ringing:
    """All logins of this kind. All methods run in the event loop."""

    def __init__(self, psc: ProSanteConnect, needs: ServiceNeeds, clock: Callable[[], float] = time.monotonic) -> None:
        self._psc = psc
        self._cards = needs.cards
        self._desk: Prompt = needs.desk
        self._events = needs.cards.events
        self._e_cps = needs.e_cps
        self._rings = Restraint(MAX_RINGS, RINGS_S, clock)
        self._left: asyncio.Event | None = None

    async def log_in(self, use: Use, wanted: Wanted) -> PscSession:
        """Have the person asked on their phone, or by their card, and hold the login. It ends with the call.

        Raises ClientRefusedError, LoginOpenError, DeskBusyError, PromptRefusedError while a no stands,
        OtherPersonError, NobodyNamedError, CardRemovedError, LoginAbandonedError, and PscError of every kind.
        """
        client = self._psc.require_client(use)
        asker, purpose = asker_of(use.caller), PURPOSE.format(use.name)
        self._desk.heed_refusal(asker, purpose)
        self._rings.require(use.caller.key)
        with self._one_at_a_time() as left:
            called = await self._find(wanted)
            try:
                return await self._until(called.card, left, self._ring(use, client, wanted, called))
            except LoginRefusedError:
                self._desk.note_refusal(asker, purpose)
                raise

    def leave(self, reason: AwayReason) -> None:  # noqa: ARG002 - whatever took the person away
        """The person is not at the desk any more: what they began here is not finished by anybody else."""
        if self._left is not None:
            self._left.set()

    @contextmanager
    def _one_at_a_time(self) -> Iterator[asyncio.Event]:
        """Two numbers at once would be two that the person could mix up."""
        if self._left is not None:
            raise LoginOpenError
        self._left = asyncio.Event()
        try:
            yield self._left
        finally:
            self._left = None

    async def _find(self, wanted: Wanted) -> Called:
        """Whom to ask. Whose card is not there is not asked beside somebody else's."""
        if wanted.login_hint is None:
            card = await self._cards.find()
            if card.holder.national_id is None:
                raise NobodyNamedError
            return Called(card.holder.national_id, card)
        cards: list[Card] = []
        with suppress(DriverError):  # without a smart card service there is no card, and none is needed
            cards = await self._cards.list_cards()
        own = next((card for card in cards if card.holder.national_id == wanted.login_hint), None)
        if own is None and cards:
            raise OtherPersonError
        if own is None and wanted.channel is Channel.CARD:
            raise LoginCardGoneError
        return Called(wanted.login_hint, own)

    async def _ring(self, use: Use, client: Client, wanted: Wanted, called: Called) -> PscSession:
        endpoints, issuer = await self._psc.endpoints(use, client), self._psc.issuer(client)
        metadata = await issuer.metadata()
        terms = make_terms(metadata, client, wanted, called.national_id)
        start = await begin(endpoints, terms)
        self._rings.note(use.caller.key)
        on_phone, asker = wanted.channel is Channel.MOBILE, asker_of(use.caller)
        self._events.publish(Event(EventType.PSC_NUMBER, code=terms.number, caller=use.caller, subject_id=use.name))
        notice = Notice(
            NoticeKind.COMPARE_NUMBER,
            login=NumberSummary(terms.number, asker, issuer.title, called.national_id, on_phone),
        )
        async with shown(self._desk, notice):
            members = await poll(endpoints, terms, start)
            asked = Asked(terms.acr, by_card=not on_phone, person=called.national_id, auth_req_id=start.auth_req_id)
            session = await self._psc.accept(use, endpoints, asked, members)
        self._rings.forget(use.caller.key)
        if not session.login.by_card:
            await self._remember(session.person, metadata.issuer)
        return session

    async def _remember(self, person: Professional, issuer: str) -> None:
        """An e-CPS has just worked. That this cannot be written is no reason against the login."""
        test = not is_in_production(issuer)
        try:
            await self._e_cps.note(ECpsHolder(person.national_id, person.family_name, person.given_name, test))
        except StoreError as error:
            log.warning("that an e-CPS was used here cannot be written: %s", error)

    async def _until(self, card: Card | None, left: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
        """Do it, unless the card or the person leaves first. Raises CardRemovedError, LoginAbandonedError."""
        ends: dict[Coroutine[Any, Any, object], type[Exception]] = {left.wait(): LoginAbandonedError}
        if card is not None:
            ends[self._cards.wait_gone(card)] = CardRemovedError
        return await do_unless(ends, work)


def make_terms(metadata: Metadata, client: Client, wanted: Wanted, national_id: str) -> CibaTerms:
    """What is asked of the issuer. Raises CibaAbsentError, ClientRefusedError."""
    if metadata.backchannel is None:
        raise CibaAbsentError
    return CibaTerms(
        metadata.backchannel,
        metadata.token,
        national_id,
        client.scope,
        check_level(wanted.acr or client.acr),
        wanted.channel,
        choose_number(),
    )


def is_in_production(issuer: str) -> bool:
    """Whether those who log in there are real: the sandbox has people of its own, and so has every other issuer."""
    return urlsplit(issuer).hostname == PRODUCTION


@asynccontextmanager
async def shown(desk: Prompt, notice: Notice) -> AsyncIterator[None]:
    """Show a notice as long as the block lasts; nothing depends on the window."""
    telling = asyncio.create_task(_tell(desk, notice))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _tell(desk: Prompt, notice: Notice) -> None:
    """Show it, and once more where it was its own time that closed it, not the person."""
    loop = asyncio.get_running_loop()
    with suppress(PromptError):
        since_s = loop.time()
        await desk.inform(notice)
        if loop.time() - since_s >= PROMPT_TIMEOUT_S:
            await desk.inform(notice)
