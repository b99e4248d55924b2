"""A row of the table of refusals in `problems`: what a problem document (RFC 9457) says, whatever the error adds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

TYPE_PREFIX = "urn:cps-agent:problem:"


@dataclass(frozen=True, slots=True)
class Problem:
    """What a refusal looks like; `detail` and `detail_fr` say what is at fault and what to do."""

    status: int
    code: str
    layer: str
    title: str
    detail: str
    detail_fr: str

    def __post_init__(self) -> None:
        """Set the French as French is set."""
        object.__setattr__(self, "detail_fr", set_french(self.detail_fr))

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "type": TYPE_PREFIX + self.code,
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "layer": self.layer,
            "detail": self.detail,
            "detailFr": self.detail_fr,
        }


def set_french(sentence: str) -> str:
    """Put the no-break spaces of French typography where the source, for its readers' sake, has ordinary ones."""
    return re.sub(r" (?=[;:!?»])|(?<=«) ", "\N{NO-BREAK SPACE}", sentence)
