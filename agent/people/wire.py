"""A question for the dialog process as one line of JSON: neutralised on the way out, read strictly on the way in."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from agent.people.plain_text import plain_text
from agent.people.prompt import CardChoice, ConfirmRequest, DeedRequest, Notice, PinRequest

MAX_QUESTION: Final = 1024 * 1024  # 1,000 names of 120 characters take half of it at worst
MAX_SUBJECTS: Final = 1000
SUBJECT_LIMIT: Final = 120
TEXT_LIMIT: Final = 1000

Question = PinRequest | ConfirmRequest | CardChoice | DeedRequest | Notice
_KINDS: Final[dict[str, type[Question]]] = {
    "pin": PinRequest,
    "consent": ConfirmRequest,
    "choice": CardChoice,
    "deed": DeedRequest,
    "notice": Notice,
}


class WireError(ValueError):
    """The bytes are not a question of ours."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A question and the language to ask it in."""

    question: Question
    language: str | None = None


def write_envelope(envelope: Envelope) -> bytes:
    """Give the line, its texts made plain and short enough. Raises WireError when it is still too long."""
    question = envelope.question
    if isinstance(question, PinRequest):
        question = _shorten(question)
    kind = next(name for name, known in _KINDS.items() if isinstance(question, known))
    members = {"kind": kind, "language": envelope.language, "question": _to_json(question)}
    message = json.dumps(members, ensure_ascii=False).encode() + b"\n"
    if len(message) > MAX_QUESTION:
        raise WireError("the question is too long")
    return message


def _shorten(request: PinRequest) -> PinRequest:
    count = len(request.subjects) if request.subject_count is None else request.subject_count
    names = tuple(plain_text(name, SUBJECT_LIMIT) for name in request.subjects[:MAX_SUBJECTS])
    return replace(request, subjects=names, subject_count=count, sizes=request.sizes[: len(names)])


def _to_json(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return plain_text(value, TEXT_LIMIT) if isinstance(value, str) else value


def read_envelope(message: bytes) -> Envelope:
    """Read what write_envelope wrote. Raises WireError for anything else."""
    if len(message) > MAX_QUESTION:
        raise WireError("the question is too long")
    try:
        members = _expect(dict, json.loads(message))
        question = _read(_KINDS[members.pop("kind")], members.pop("question"))
        language = _read(str | None, members.pop("language"))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WireError("not a question") from error
    if members:
        raise WireError("unknown members")
    return Envelope(question, language)


def _read(hint: Any, value: Any) -> Any:
    if isinstance(hint, UnionType):
        return None if value is None else _read(get_args(hint)[0], value)
    if get_origin(hint) is tuple:
        return tuple(_read(get_args(hint)[0], item) for item in _expect(list, value))
    if is_dataclass(hint):
        return _read_record(hint, value)
    if hint is datetime:
        return datetime.fromisoformat(_expect(str, value))
    return hint(_expect(str, value)) if issubclass(hint, StrEnum) else _expect(hint, value)


def _read_record(kind: Any, value: Any) -> Any:
    hints = get_type_hints(kind)
    members = _expect(dict, value)
    if set(members) != set(hints):
        raise WireError("unknown or missing members")
    return kind(**{name: _read(hint, members[name]) for name, hint in hints.items()})


def _expect(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise WireError(f"expected {kind.__name__}")
    return value
