"""Time-stamps asked of the authority that the settings name (RFC 3161), and believed for what can be checked alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final
from urllib.parse import urlsplit

from asn1crypto import cms, core, tsp
from pyhanko.sign.timestamps import TimeStamper

from agent.fetching import Fetcher, FetchError, Request
from agent.signing.authorities import find_authority_chain
from agent.signing.errors import TimeStampError, TimeStampUnsetError
from agent.signing.preparation import Outside
from agent.signing.signeddata import Imprint, SignatureFaultError, any_bytes
from agent.signing.tokens import imprint_of, read_token

HASH: Final = "sha256"
NONCE_BITS: Final = 64
GRANTED: Final = frozenset({"granted", "granted_with_mods"})  # whatever was asked for is looked at anyway
MAX_ANSWER: Final = 64 * 1024
FETCH_S: Final = 10.0
TOLERANCE: Final = timedelta(minutes=10)
"""Between the clocks of a workstation and of an authority: further apart, one of them is wrong."""
HEADERS: Final = (("Content-Type", "application/timestamp-query"), ("Accept", "application/timestamp-reply"))  # §3.4


class Answer(core.Sequence):  # type: ignore[misc]
    """TimeStampResp, whose token is absent from a refusal (§2.4.2)."""

    _fields: ClassVar = [("status", tsp.PKIStatusInfo), ("time_stamp_token", cms.ContentInfo, {"optional": True})]


class TimeStamps:
    """Ask for time-stamps, one after another. Raises TimeStampUnsetError where the settings name nobody."""

    def __init__(self, outside: Outside) -> None:
        if outside.timestamp_url is None:
            raise TimeStampUnsetError
        self._url = outside.timestamp_url
        self._outside = outside
        self._fetcher = Fetcher(frozenset({urlsplit(self._url).netloc.lower()}))

    def stamp(self, content: bytes) -> bytes:
        """DER of a TimeStampToken over the SHA-256 of these bytes, whose signer is believed. Raises TimeStampError."""
        return self._stamp(imprint_of(content))

    def stamp_digest(self, sha256: bytes) -> bytes:
        """The same where the hash is all there is."""
        return self._stamp(lambda name: sha256 if name == HASH else b"")

    def _stamp(self, imprint: Imprint) -> bytes:
        nonce = secrets.randbits(NONCE_BITS)
        with _as_time_stamp_error():
            token_der = _read_answer(self._ask(_write_request(imprint(HASH), nonce)))
            token = read_token(token_der, imprint)
        if token.nonce != nonce:
            raise TimeStampError("the time-stamp answers another request: its nonce is not the one that was sent")
        apart = abs(token.time - datetime.now(UTC))
        if apart > TOLERANCE:
            raise TimeStampError(f"the time-stamp and the clock of this workstation are {apart} apart")
        if find_authority_chain(token, self._outside) is None:
            raise TimeStampError("the time-stamp's signer is not vouched for by timestamp_authorities at that time")
        return token_der

    def _ask(self, body: bytes) -> bytes:
        request = Request(self._url, "POST", HEADERS, body, max_size=MAX_ANSWER, timeout_s=FETCH_S)
        response = self._fetcher.fetch(request)
        if response.status != 200:
            raise TimeStampError(f"the time-stamp authority answered with HTTP status {response.status}")
        return response.body


@contextmanager
def _as_time_stamp_error() -> Iterator[None]:
    try:
        yield
    except FetchError as error:
        raise TimeStampError(f"the time-stamp authority did not answer: {error}") from error
    except SignatureFaultError as error:
        raise TimeStampError(f"the time-stamp does not hold: {error}") from error


def _write_request(sha256: bytes, nonce: int) -> bytes:
    """TimeStampReq (§2.4.1), with a nonce, for a token that holds its signer's certificate."""
    imprint = {"hash_algorithm": {"algorithm": HASH}, "hashed_message": sha256}
    request = tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, "nonce": nonce, "cert_req": True})
    content: bytes = request.dump()
    return content


def _read_answer(content: bytes) -> bytes:
    """The token in a TimeStampResp. Raises TimeStampError, SignatureFaultError."""
    with any_bytes():
        answer = Answer.load(content, strict=True)
        status, token = answer["status"], answer["time_stamp_token"]
        if status["status"].native in GRANTED and isinstance(token, cms.ContentInfo):
            token_der: bytes = token.dump()
            return token_der
        why = "; ".join(status["status_string"].native or sorted(status["fail_info"].native or ()))
    raise TimeStampError(f"the time-stamp authority refused: {status['status'].native} {why}".strip()[:200])


class PyHankoTimeStamper(TimeStamper):
    """TimeStamps for what pyHanko stamps itself."""

    def __init__(self, stamps: TimeStamps) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._stamps = stamps

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        """A token as pyHanko takes it. Raises TimeStampError."""
        if md_algorithm != HASH:
            raise TimeStampError(f"time-stamps are asked over {HASH} alone")
        return cms.ContentInfo.load(self._stamps.stamp_digest(message_digest))
