"""What an OAuth endpoint answers, read strictly: an object, or an error in the words of RFC 6749 §5.2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agent.people.plain_text import plain_text

if TYPE_CHECKING:
    from agent.fetching import Response

MAX_ANSWER: Final = 64 * 1024
MAX_DESCRIPTION: Final = 200
MAX_TOKEN: Final = 16 * 1024
ERROR: Final = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}")  # RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E
TOKEN: Final = re.compile(rf"[\x21-\x7e]{{1,{MAX_TOKEN}}}")

Members = dict[str, Any]


class PscError(Exception):
    """Something between this agent and an issuer; the message says what, in English, for a developer."""


class OAuthError(PscError):
    """The issuer refuses, and says why: `error` is the standard's word, `description` the issuer's, made plain."""

    def __init__(self, error: str, description: str | None = None) -> None:
        super().__init__(f"{error}: {description}" if description else error)
        self.error = error
        self.description = description


class IssuerUnreachableError(PscError):
    """The issuer does not answer now: no connection, no time, or a server in trouble (5xx)."""


class IssuerAnswerError(PscError):
    """The issuer answers something that it must not: no JSON, a redirect, a member that is missing or too large."""


class ForeignEndpointError(PscError):
    """An address that is none of the issuer's own. Nothing was sent."""


def read_answer(response: Response) -> Members:
    """The members of a success. Raises OAuthError, IssuerUnreachableError, IssuerAnswerError."""
    if 300 <= response.status < 400:
        raise IssuerAnswerError(f"a redirect ({response.status}), which no endpoint of this kind answers")
    if response.status >= 500:
        raise IssuerUnreachableError(f"status {response.status}")
    members = _read_object(response)
    if response.status == 200:
        return members
    error, description = members.get("error"), members.get("error_description")
    if not isinstance(error, str) or not ERROR.fullmatch(error):
        raise IssuerAnswerError(f"status {response.status} without an error")
    raise OAuthError(error, plain_text(description, MAX_DESCRIPTION) if isinstance(description, str) else None)


def _read_object(response: Response) -> Members:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" or len(response.body) > MAX_ANSWER:
        raise IssuerAnswerError(f"status {response.status} without JSON")
    try:
        return msgspec.json.decode(response.body, type=Members)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise IssuerAnswerError(f"status {response.status} without a JSON object") from error


def take_text(members: Mapping[str, Any], name: str) -> str:
    """A member that is a token or the like: printable ASCII without blanks. Raises IssuerAnswerError."""
    value = members.get(name)
    if not isinstance(value, str) or not TOKEN.fullmatch(value):
        raise IssuerAnswerError(f"the answer has no usable {name}")
    return value


def take_seconds(members: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """A member that is a number of seconds, 1 or more. Raises IssuerAnswerError."""
    value = members.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise IssuerAnswerError(f"the answer has no usable {name}")
    return value


def require_bearer(members: Mapping[str, Any]) -> None:
    """The only type of token that is used here (RFC 6750; the name's case does not count). Raises IssuerAnswerError."""
    kind = members.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise IssuerAnswerError("a token of another type than Bearer")
