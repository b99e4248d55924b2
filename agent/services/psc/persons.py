"""Who logged in, in the claims of Pro Santé Connect: their names are case-sensitive, and most may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.people.plain_text import plain_text
from agent.services.psc.errors import TokenCheckError

MAX_ID, MAX_NAME, MAX_ROLES = 64, 120, 16
NATIONAL_ID: Final = ("SubjectNameID", "preferred_username")
CARD_MODE: Final = "CARD"


@dataclass(frozen=True, slots=True)
class Professional:
    """A professional. `national_id`: 8 and the RPPS number, as on the card; `roles`: codes as they are sent."""

    national_id: str
    family_name: str | None = None
    given_name: str | None = None
    sector: str | None = None
    roles: tuple[str, ...] = ()

    @property
    def display_name(self) -> str:
        """Given and family name, or the number of who has none."""
        return " ".join(filter(None, (self.given_name, self.family_name))) or self.national_id


def read_professional(claims: Mapping[str, Any]) -> Professional:
    """Read them. Raises TokenCheckError where nothing says who it is."""
    found = (claims.get(name) for name in NATIONAL_ID)
    national_id = next((value for value in found if isinstance(value, str) and value), None)
    if national_id is None or len(national_id) > MAX_ID or not national_id.isascii() or not national_id.isprintable():
        raise TokenCheckError("SubjectNameID")
    roles = claims.get("SubjectRole")
    return Professional(
        national_id,
        _text(claims.get("family_name")),
        _text(claims.get("given_name")),
        _text(claims.get("Secteur_Activite")),
        tuple(filter(None, map(_text, roles[:MAX_ROLES]))) if isinstance(roles, list) else (),
    )


def _text(value: Any) -> str | None:
    return plain_text(value, MAX_NAME) or None if isinstance(value, str) else None
