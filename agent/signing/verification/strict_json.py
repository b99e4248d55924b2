"""JSON objects out of unknown hands: UTF-8, no member twice, nothing beyond the standard (RFC 8259)."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def read_object(content: bytes) -> dict[str, Any]:
    """Parse one object. Raises ValueError for anything else."""
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_without_twins, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - of somebody's document, not of a caller's argument
    return value


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member of a JSON object stands there twice")
    return members


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
