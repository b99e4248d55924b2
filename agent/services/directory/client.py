"""Ask the Annuaire Santé (FHIR R4 API, version 2) about one RPPS number: two searches, and the pages of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from agent.patience import run_apart
from agent.services.directory.bundle import Page, Resource, explain_outcome, follow, parse_page
from agent.services.directory.ceiling import MAX_PATIENCE_S, Ceiling
from agent.services.directory.errors import (
    ApiKeyAbsentError,
    ApiKeyRefusedError,
    ApiKeyUnreadableError,
    DirectoryAnswerError,
    DirectoryBusyError,
    DirectoryUnavailableError,
)
from agent.services.directory.reading import is_about, read_id, read_professional
from agent.services.directory.values import Professional

if TYPE_CHECKING:
    from agent.fetching import Request, Response

log = logging.getLogger(__name__)

KEY_HEADER: Final = "ESANTE-API-KEY"
MAX_KEY: Final = 256
MAX_PAGES: Final = 5
MAX_PAGE_SIZE: Final = 2 * 1024 * 1024
PAGE_ENTRIES: Final = 100
MAX_PRACTITIONERS: Final = 10
CALL_TIMEOUT_S: Final = 10.0
LOOK_UP_TIMEOUT_S: Final = 20.0
KEY_TIMEOUT_S: Final = 15.0  # a locked key store asks the person for its own password
MAX_AT_ONCE: Final = 4  # each holds a thread, for as long as the directory takes to answer
DEFAULT_HOLD_S: Final = 1.0

Get = Callable[["Request"], "Response"]
"""One exchange, in a thread. Raises DirectoryUnavailableError, DirectoryAnswerError."""


class DirectoryClient:
    """Look-ups at `base_url`. `read_key` gives the API key or None, in a thread; `get` is the way out."""

    def __init__(self, base_url: str, read_key: Callable[[], bytearray | None], get: Get, ceiling: Ceiling) -> None:
        self._base_url = base_url.rstrip("/")
        self._read_key = read_key
        self._get = get
        self._ceiling = ceiling
        self._places = asyncio.Semaphore(MAX_AT_ONCE)

    async def find(self, rpps: str) -> Professional | None:
        """The professional of this number, or None when the directory knows none. Raises DirectoryError."""
        async with self._places:
            key = await self._read_header()
            try:
                async with asyncio.timeout(LOOK_UP_TIMEOUT_S):
                    return await self._find(rpps, key)
            except TimeoutError as error:
                raise DirectoryUnavailableError("the look-up took too long") from error

    async def _read_header(self) -> tuple[str, str]:
        try:
            async with asyncio.timeout(KEY_TIMEOUT_S):
                return await run_apart(self._header)
        except TimeoutError as error:
            raise ApiKeyUnreadableError("the key store may wait to be unlocked") from error

    def _header(self) -> tuple[str, str]:
        key = self._read_key()
        if key is None:
            raise ApiKeyAbsentError
        try:
            text = bytes(key).decode("ascii", errors="replace")
        finally:
            key[:] = bytes(len(key))
        if not is_api_key(text):
            raise ApiKeyRefusedError("the stored key is none")
        return KEY_HEADER, text

    async def _find(self, rpps: str, key: tuple[str, str]) -> Professional | None:
        """By the number alone, as the API's documentation has it: the system that goes with it has changed before."""
        found = await self._search("Practitioner", {"identifier": rpps}, key)
        practitioners = [one for one in found if one.get("resourceType") == "Practitioner"]
        mine = [one for one in practitioners if is_about(one, rpps)][:MAX_PRACTITIONERS]
        ids = [number for one in mine if (number := read_id(one)) is not None]
        if practitioners and not mine:
            raise DirectoryAnswerError("an answer about others than were asked for")
        if not mine:
            return None
        query = {"practitioner": ",".join(ids), "_include": "PractitionerRole:organization"}
        linked = await self._search("PractitionerRole", query, key) if ids else []
        return await run_apart(lambda: read_professional(rpps, mine, linked))

    async def _search(self, kind: str, query: Mapping[str, str], key: tuple[str, str]) -> list[Resource]:
        url: str | None = f"{self._base_url}/{kind}?{urlencode({**query, '_count': PAGE_ENTRIES})}"
        seen: list[str] = []
        found: list[Resource] = []
        while url is not None:
            if url in seen or len(seen) == MAX_PAGES:
                raise DirectoryAnswerError("pages without an end")
            seen.append(url)
            page = await self._fetch(url, key)
            found += page.resources
            url = follow(page.next_link, self._base_url) if page.next_link is not None else None
        return found

    async def _fetch(self, url: str, key: tuple[str, str]) -> Page:
        """One page; an answer that the ceiling is reached is waited for once, if it asks for a moment only."""
        answer = await self._exchange(url, key)
        if answer.status == 429:
            if self._hold(answer) > MAX_PATIENCE_S:
                raise DirectoryBusyError("the directory asks for patience")
            answer = await self._exchange(url, key)
        body = self._judge(answer)
        return await run_apart(lambda: parse_page(body))  # megabytes would hold up everything else

    async def _exchange(self, url: str, key: tuple[str, str]) -> Response:
        from agent.fetching import Request  # noqa: PLC0415 - it brings ssl, at the first look-up

        headers = (key, ("Accept", "application/fhir+json"))
        request = Request(url, headers=headers, max_size=MAX_PAGE_SIZE, timeout_s=CALL_TIMEOUT_S)
        await self._ceiling.wait()
        return await run_apart(lambda: self._get(request))

    def _judge(self, answer: Response) -> bytes:
        if answer.status == 200:
            return answer.body
        log.info("the directory answered %d: %.300s", answer.status, explain_outcome(answer.body))
        if answer.status in (401, 403):
            raise ApiKeyRefusedError(f"status {answer.status}")
        if answer.status == 429:
            self._hold(answer)
            raise DirectoryBusyError("the directory asks for patience")
        if answer.status >= 500:
            raise DirectoryUnavailableError(f"status {answer.status}")
        raise DirectoryAnswerError(f"status {answer.status}")

    def _hold(self, answer: Response) -> float:
        seconds = read_retry_after(answer.headers.get("retry-after"))
        self._ceiling.hold(seconds)
        return seconds


def is_api_key(text: str) -> bool:
    """Whether this can be an API key: visible ASCII, so that it is one header and nothing more."""
    return 8 <= len(text) <= MAX_KEY and text.isascii() and text.isprintable() and " " not in text


def read_retry_after(value: str | None, now: datetime | None = None) -> float:
    """Seconds to wait by a Retry-After header (RFC 9110 §10.2.3), a second without one that can be understood."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    with suppress(ValueError, TypeError, OverflowError):
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment.astimezone(UTC) - (now or datetime.now(UTC))).total_seconds())
    return DEFAULT_HOLD_S
