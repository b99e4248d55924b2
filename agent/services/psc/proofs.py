"""How a client proves to its issuer who it is: with each request, by the way that the catalog names for it."""

from __future__ import annotations

import base64
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote_plus

from agent.cards.card import Card
from agent.cards.cards import Cards
from agent.cards.uses import CardUses, UnlockedKey, UseRequest
from agent.fetching import Fetcher, Request, Response
from agent.patience import run_apart
from agent.services.psc.asking import ask
from agent.services.psc.assertions import (
    PACE_S,
    Assertion,
    Speaker,
    Stock,
    certificate_thumbprint,
    draft_all,
)
from agent.services.psc.errors import SecretAbsentError, SecretUnreadableError
from drivers.base import Digest, KeyRole

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SAMPLE: Final = Digest("sha256", bytes(32))


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a request gets besides its own parameters. No repr: a secret or a statement is in it."""

    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


class Proof(ABC):
    """One client's way, for one call. `pace_s`: requests that follow each other leave at least so much time between.

    `by_certificate`: the connection itself proves it (TLS).
    """

    pace_s: float = 0.0
    by_certificate: bool = False

    @abstractmethod
    async def seal(self) -> Sealed:
        """Give what proves it for one request. The person may be asked for a code. Raises what CardUses.sign raises."""

    @abstractmethod
    async def send(self, request: Request) -> Response:
        """Send a request. Raises IssuerUnreachableError, IssuerAnswerError, and what a channel raises."""

    async def thumbprint(self) -> str | None:
        """Name the certificate that tokens are bound to (RFC 8705 §3.1), where TLS knows one."""
        return None


class FetchedProof(Proof):
    """A way that any TLS connection serves."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def send(self, request: Request) -> Response:
        """See Proof."""
        return await ask(self._fetcher.fetch, request)


class SecretProof(FetchedProof):
    """A secret of the key store (RFC 6749 §2.3.1): in a header (`basic`) or in the form.

    Its bytes are wiped; the text that is sent is Python's, and lives until that is collected.
    """

    def __init__(self, fetcher: Fetcher, client_id: str, read: Callable[[], bytearray | None], *, basic: bool) -> None:
        super().__init__(fetcher)
        self._client_id = client_id
        self._read = read
        self._basic = basic

    async def seal(self) -> Sealed:
        """See Proof. Raises SecretAbsentError, SecretUnreadableError."""
        secret = await self._read_secret()
        if secret is None:
            raise SecretAbsentError
        try:
            text = secret.decode(errors="replace")
        finally:
            secret[:] = bytes(len(secret))
        if not self._basic:
            return Sealed({"client_id": self._client_id, "client_secret": text})
        pair = f"{quote_plus(self._client_id)}:{quote_plus(text)}"
        return Sealed(headers=(("Authorization", "Basic " + base64.b64encode(pair.encode()).decode()),))

    async def _read_secret(self) -> bytearray | None:
        from agent.keystore import KeyStoreUnavailableError  # noqa: PLC0415 - where it is used

        try:
            return await run_apart(self._read)
        except KeyStoreUnavailableError as error:
            raise SecretUnreadableError(str(error)) from error


@dataclass(frozen=True, slots=True)
class KeyUse:
    """How the software certificate of a client is used for one call: the request names who asks, and for what."""

    cards: Cards
    uses: CardUses
    request: UseRequest

    async def find_card(self) -> Card:
        """The software certificate as it is kept now. Raises CardNotFoundError, StoreError."""
        return await self.cards.find(self.request.card_number)


Place = tuple[Hashable, str]
"""A caller by its key, and a client of the catalog by its name."""


class Stocks:
    """Statements that were signed and not yet used, of each caller for each client.

    `epoch` moves whenever some are dropped: what is being signed meanwhile is not kept either.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self._stocks: dict[Place, tuple[Card, Stock]] = {}

    def take(self, place: Place, card: Card) -> Assertion | None:
        """One that is good now, signed by this very certificate, kept as it was then."""
        signer, stock = self._stocks.get(place, (None, Stock()))
        return stock.take(time.time()) if signer is card else None

    def put(self, place: Place, card: Card, stock: Stock, epoch: int) -> None:
        """Keep what was just signed, in the place of what was left. `epoch`: when the person was asked."""
        if epoch == self.epoch:
            self._stocks[place] = card, stock

    def drop(self, caller: Hashable) -> None:
        """Drop those of one caller."""
        self.epoch += 1
        for place in [place for place in self._stocks if place[0] == caller]:
            del self._stocks[place]

    def clear(self) -> None:
        """Drop all of them."""
        self.epoch += 1
        self._stocks.clear()


class AssertionProof(FetchedProof):
    """Signed statements (private_key_jwt). `kept`: what outlives the call, and this caller's place in it."""

    pace_s = float(PACE_S)

    def __init__(self, fetcher: Fetcher, speaker: Speaker, use: KeyUse, kept: tuple[Stocks, Place]) -> None:
        super().__init__(fetcher)
        self._speaker = speaker
        self._use = use
        self._stocks, self._place = kept

    async def seal(self) -> Sealed:
        """See Proof."""
        assertion = self._stocks.take(self._place, await self._use.find_card()) or await self._sign()
        return Sealed(
            {
                "client_id": self._speaker.client_id,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion.text,
            }
        )

    async def _sign(self) -> Assertion:
        request = replace(self._use.request, sample=SAMPLE)
        epoch = self._stocks.epoch
        return await self._use.uses.sign(request, KeyRole.AUTHENTICATION, lambda key: self._make(key, epoch))

    async def _make(self, key: UnlockedKey, epoch: int) -> Assertion:
        drafts = draft_all(self._speaker, key.info.certificate_der, int(time.time()))
        signatures = await key.sign_all([draft.digest for draft in drafts])
        first, *rest = (draft.with_signature(value) for draft, value in zip(drafts, signatures, strict=True))
        self._stocks.put(self._place, key.card, Stock(rest), epoch)
        return first


Call = Callable[[Request], Awaitable[Response]]


class TlsProof(Proof):
    """The software certificate in TLS (RFC 8705 §2.1). `call`: by the caller's channel to that host."""

    by_certificate = True

    def __init__(self, client_id: str, use: KeyUse, call: Call) -> None:
        self._client_id = client_id
        self._use = use
        self._call = call

    async def seal(self) -> Sealed:
        """See Proof: the connection proves it, the form names who (RFC 8705 §2)."""
        return Sealed({"client_id": self._client_id})

    async def send(self, request: Request) -> Response:
        """See Proof."""
        return await self._call(request)

    async def thumbprint(self) -> str:
        """See Proof."""
        card = await self._use.find_card()
        return certificate_thumbprint(card.key(KeyRole.AUTHENTICATION).certificate_der)
