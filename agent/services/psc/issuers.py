"""The issuers of the catalog: what each says of itself, and its keys, fetched when needed and kept for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from agent.fetching import Request, Response
from agent.services.catalog import Issuer
from agent.services.psc.asking import ask
from agent.services.psc.keys import Claims, KeySet, UnknownKeyError, read_keys
from agent.services.psc.metadata import MAX_DOCUMENT, Metadata, known_hosts, read_metadata
from agent.services.psc.oauth import IssuerAnswerError, IssuerUnreachableError

KEPT_S: Final = 3600.0
REFETCH_S: Final = 60.0
"""Tokens with keys that nobody knows bring one look at the issuer's keys about, not a stream of them."""
TIMEOUT_S: Final = 15.0

Ask = Callable[[frozenset[str], Request], Response]
"""Exchange one request with one of these hosts. Blocks. Raises FetchError."""


class KnownIssuer:
    """One issuer. Callers that come at once share one fetch. All methods run in the event loop."""

    def __init__(self, issuer: Issuer, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self.title = issuer.title
        self._issuer = issuer
        self._hosts = known_hosts(issuer)
        self._ask = ask
        self._clock = clock
        self._lock = asyncio.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def metadata(self) -> Metadata:
        """What it says of itself. Raises IssuerUnreachableError, IssuerAnswerError, ForeignEndpointError."""
        async with self._lock:
            return await self._read_metadata()

    async def verify(self, token: str) -> Claims:
        """The claims of a token that it has signed. Raises TokenCheckError, and what `metadata` raises."""
        async with self._lock:
            metadata = await self._read_metadata()
            if self._keys is None or self._age(self._keys[0]) > KEPT_S:
                await self._fetch_keys(metadata)
            assert self._keys is not None
            fetched_at, keys = self._keys
            try:
                return keys.verify(token)
            except UnknownKeyError:
                if self._age(fetched_at) < REFETCH_S:
                    raise
            return (await self._fetch_keys(metadata)).verify(token)

    async def _read_metadata(self) -> Metadata:
        if self._metadata is None or self._age(self._metadata[0]) > KEPT_S:
            self._metadata = self._clock(), read_metadata(await self._fetch(self._issuer.discovery), self._issuer)
        return self._metadata[1]

    async def _fetch_keys(self, metadata: Metadata) -> KeySet:
        keys = read_keys(await self._fetch(metadata.jwks))
        self._keys = self._clock(), keys
        return keys

    async def _fetch(self, url: str) -> bytes:
        request = Request(url, headers=(("Accept", "application/json"),), max_size=MAX_DOCUMENT, timeout_s=TIMEOUT_S)
        response = await ask(partial(self._ask, self._hosts), request)
        if response.status >= 500:
            raise IssuerUnreachableError(f"status {response.status}")
        if response.status != 200:
            raise IssuerAnswerError(f"status {response.status}")
        return response.body

    def _age(self, moment: float) -> float:
        return self._clock() - moment


class Issuers:
    """Those of the catalog, each made when it is first asked for."""

    def __init__(self, catalog: Mapping[str, Issuer], ask: Ask) -> None:
        self._catalog = catalog
        self._ask = ask
        self._known: dict[str, KnownIssuer] = {}

    def find(self, name: str) -> KnownIssuer:
        """The issuer of that name, which the catalog has."""
        return self._known.setdefault(name, KnownIssuer(self._catalog[name], self._ask))
