"""The head of an answer, judged: what could be read in two ways on its way to the caller is no answer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from agent.services.channels.errors import AnswerBrokenError
from agent.services.channels.values import Headers

STATUSES: Final = range(200, 600)
"""Final ones (RFC 9110 §15): nobody asked for another protocol, so that nothing may be switched to one (101)."""
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def read_status(status: int) -> int:
    """The status. Raises AnswerBrokenError for one that ends no request."""
    if status not in STATUSES:
        raise AnswerBrokenError(f"status {status}")
    return status


def read_reason(reason: str | None) -> str:
    """The words beside the status, which mean nothing (RFC 9112 §4): none where they are more than plain text."""
    return reason if reason and reason.isascii() and reason.isprintable() else ""


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Names and values as text: UTF-8, else ISO 8859-1 (RFC 9110 §5.5).

    Raises AnswerBrokenError for control characters, and for a transfer coding that is no longer there (RFC 9112 §6.1).
    """
    headers = tuple((name.decode("latin-1"), _read_value(value)) for name, value in raw)
    codings = [value.strip().lower() for name, value in headers if name.lower() == "transfer-encoding"]
    if codings not in ([], ["chunked"]):
        raise AnswerBrokenError("a transfer coding that was not agreed upon")
    return headers


def _read_value(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    if _CONTROLS.search(text):
        raise AnswerBrokenError("control characters in a header")
    return text
