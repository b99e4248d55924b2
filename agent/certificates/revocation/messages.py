"""What the agent and its child say to each other about one certificate: length-capped JSON on the child's pipes."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from agent.certificates.revocation.verdict import Verdict

MAX_REQUEST = 512 * 1024
MAX_ANSWER = 16 * 1024
MAX_CHAIN = 8

Der = Annotated[bytes, Meta(max_length=0x10000)]
Url = Annotated[str, Meta(max_length=1024)]


class CheckRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ask about a certificate. `chain`: its issuers up to the root. `folder`: where raw answers are kept.

    `renew_after`: the part of its time after which a kept answer is not enough.
    """

    certificate: Der
    chain: Annotated[list[Der], Meta(min_length=1, max_length=MAX_CHAIN)]
    ocsp: list[Url]
    crl: list[Url]
    hosts: list[str]
    folder: str
    renew_after: float


def write_request(request: CheckRequest) -> bytes:
    """The bytes of a request."""
    return msgspec.json.encode(request)


def read_request(content: bytes) -> CheckRequest:
    """Parse a request. Raises ValueError."""
    if len(content) > MAX_REQUEST:
        raise ValueError("a request that is too long")
    return msgspec.json.decode(content, type=CheckRequest)


def write_verdict(verdict: Verdict) -> bytes:
    """The bytes of an answer."""
    return msgspec.json.encode(verdict)


def read_verdict(content: bytes) -> Verdict:
    """Parse an answer. Raises ValueError."""
    if len(content) > MAX_ANSWER:
        raise ValueError("an answer that is too long")
    return msgspec.json.decode(content, type=Verdict)
