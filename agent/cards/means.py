"""The means of identification that this workstation knows of, gathered for the table of agent.certificates.means."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from agent.cards.card import Card, load_certificate
from agent.cards.cards import Cards
from agent.cards.seen import SeenCard, SeenCards
from agent.certificates.states import CertificateState, StateName
from drivers.errors import CardUnknownError, DriverError, ServiceStoppedError

if TYPE_CHECKING:
    from agent.certificates.means import Bearer, CardRecord, ECpsRecord, SoftwareRecord

log = logging.getLogger(__name__)

SEVERITY: Final = (
    StateName.REVOKED,
    StateName.EXPIRED,
    StateName.NOT_YET_VALID,
    StateName.UNKNOWN,
    StateName.EXPIRING,
    StateName.VALID,
)
"""Of a card's certificates the worst decides."""


async def _nothing() -> tuple[()]:
    return ()


class KnownMeans:
    """Who has which means: the cards in readers, those that were, software certificates, and e-CPS used here.

    `find_state` tells the state of a certificate from memory. `list_software` gives those that are kept with a key
    here, in DER; `e_cps` the e-CPS that were used here.
    """

    def __init__(self, cards: Cards, seen: SeenCards, find_state: Callable[[bytes], CertificateState]) -> None:
        self._find_state = find_state
        self.list_software: Callable[[], Awaitable[Sequence[bytes]]] = _nothing
        self.e_cps: Callable[[], Awaitable[Sequence[ECpsRecord]]] = _nothing
        self._cards = cards
        self._seen = seen

    async def list_all(self) -> tuple[Bearer, ...]:
        """Everybody known here. Raises StoreError, and what keeps the software certificates shut."""
        try:
            cards = await self._cards.list_cards()
        except ServiceStoppedError:  # no reason not to tell what was seen before
            cards = []
        seen = await self._seen.list()
        software_der, e_cps = await self.list_software(), await self.e_cps()
        return await asyncio.to_thread(self._tabulate, cards, seen, software_der, e_cps)

    async def list_present(self) -> tuple[Bearer, ...]:
        """Those whose card is in a reader, by that card and their e-CPS alone. Raises ServiceStoppedError."""
        cards = await self._cards.list_cards()
        bearers = await asyncio.to_thread(self._tabulate, cards, (), (), await self.e_cps())
        return tuple(bearer for bearer in bearers if bearer.is_present)

    def _tabulate(
        self,
        cards: Sequence[Card],
        seen: Sequence[SeenCard],
        software_der: Sequence[bytes],
        e_cps: Sequence[ECpsRecord],
    ) -> tuple[Bearer, ...]:
        from agent.certificates.means import Records, list_bearers  # noqa: PLC0415 - when somebody asks

        now = datetime.now(UTC)
        cards = [card for card in cards if not card.is_contactless]
        present = {card.number for card in cards}
        records = [self._record(card) for card in cards]
        records += [record for one in seen if one.number not in present for record in self._remembered(one)]
        software = [record for der in software_der for record in self._software_record(der)]
        return list_bearers(Records(records, software, e_cps), now)

    def _record(self, card: Card) -> CardRecord:
        from agent.certificates.means import CardRecord  # noqa: PLC0415

        state = self._state([key.certificate_der for key in card.token.keys])
        return CardRecord(card.number, card.holder, state, card.expires_at, card.test, present=True)

    def _remembered(self, seen: SeenCard) -> Iterable[CardRecord]:
        """One record; none for a row that was damaged."""
        from agent.certificates.holder import read_holder  # noqa: PLC0415
        from agent.certificates.means import CardRecord  # noqa: PLC0415

        try:
            certificates = [load_certificate(der) for der in seen.certificates_der]
        except CardUnknownError:
            return
        expires_at = min(certificate.not_after for certificate in certificates)
        state, holder = self._state(seen.certificates_der), read_holder(certificates[0])
        yield CardRecord(seen.number, holder, state, expires_at, seen.test, seen_at=seen.seen_at)

    def _software_record(self, certificate_der: bytes) -> Iterable[SoftwareRecord]:
        """One record; none for a certificate that this agent would not have taken."""
        from agent.certificates.holder import read_holder  # noqa: PLC0415
        from agent.certificates.means import SoftwareRecord  # noqa: PLC0415
        from drivers.software.certificates import read_key_certificate  # noqa: PLC0415

        try:
            kept = read_key_certificate(certificate_der)
        except DriverError as error:
            log.warning("a software certificate cannot be read: %s", error)
            return
        holder, roles = read_holder(kept.parsed), frozenset({str(kept.role)} if kept.role else ())
        state, expires_at = self._find_state(certificate_der), kept.parsed.not_after
        yield SoftwareRecord(kept.group, holder, roles, state, expires_at, holder.test)

    def _state(self, certificates_der: Sequence[bytes]) -> CertificateState:
        return min(map(self._find_state, certificates_der), key=lambda state: SEVERITY.index(state.name))
