"""The errands as values: our own file, corrected by an administrator's and then by the user's, entry by entry."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from agent.settings import policy_file, user_file

OWN_FILE: Final = Path(__file__).with_name("errands.toml")
FILE: Final = "errands.toml"
MAX_FILE: Final = 262_144
SITUATIONS: Final = ("lost", "stolen", "faulty", "codes-lost", "blocked")
"""Those of the page "my card is lost, stolen or faulty", in its order; the file may know others."""

OTHERS: Final = "ars"
"""The authority of a regulated profession that no other one names."""


@dataclass(frozen=True, slots=True)
class Words:
    """A text in two languages."""

    fr: str
    en: str

    def text(self, language: str) -> str:
        """The text in that language, French for every other one than English."""
        return self.en if language == "en" else self.fr


@dataclass(frozen=True, slots=True)
class Authority:
    """Who registers a person, and so answers for the card."""

    id: str
    name: Words
    url: str | None = None
    checked: bool = True
    professions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing to do. `code`: the code to have at hand; `checked` False: shown as to be checked."""

    id: str
    situations: tuple[str, ...]
    audience: str
    name: Words
    text: Words
    url: str | None = None
    code: str = "none"
    checked: bool = True


@dataclass(frozen=True, slots=True)
class Errands:
    """Everything known, and the files that could not be read, with why."""

    errands: tuple[Errand, ...]
    authorities: tuple[Authority, ...]
    failures: tuple[str, ...] = ()

    def for_situation(self, situation: str) -> tuple[Errand, ...]:
        """What can be done then, in the order of the file."""
        return tuple(errand for errand in self.errands if situation in errand.situations)

    def find_authority(self, profession: str | None, kind: str | None) -> Authority | None:
        """Who answers for a holder of this profession (code of G15), or for a card of this kind that names none.

        Whether somebody is in the armed forces, a card does not tell.
        """
        if profession is None:
            return next((one for one in self.authorities if kind is not None and kind in one.kinds), None)
        named = next((one for one in self.authorities if profession in one.professions), None)
        return named or next((one for one in self.authorities if one.id == OTHERS), None)


def load_errands(corrections: Iterable[Path] | None = None) -> Errands:
    """Read our file, then the corrections: by default the administrator's and the user's. Theirs may be damaged."""
    tables: dict[str, dict[str, Any]] = {"errand": {}, "authority": {}}
    _merge(tables, _read(OWN_FILE))
    failures = []
    for path in _places() if corrections is None else corrections:
        try:
            read = _read(path)
            _build(read)  # before it takes the place of what works
        except FileNotFoundError:
            continue
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            failures.append(f"{path}: {error}")
        else:
            _merge(tables, read)
    errands, authorities = _build({name: list(table.values()) for name, table in tables.items()})
    return Errands(errands, authorities, tuple(failures))


def _places() -> tuple[Path, Path]:
    return policy_file().with_name(FILE), user_file().with_name(FILE)


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise ValueError("the file is too large")
    return tomllib.loads(content.decode())


def _merge(tables: Mapping[str, dict[str, Any]], read: Mapping[str, Any]) -> None:
    for name, table in tables.items():
        table |= {str(entry["id"]): entry for entry in read.get(name, ())}


def _build(read: Mapping[str, Any]) -> tuple[tuple[Errand, ...], tuple[Authority, ...]]:
    return tuple(map(_make_errand, read.get("errand", ()))), tuple(map(_make_authority, read.get("authority", ())))


def _make_errand(entry: Mapping[str, Any]) -> Errand:
    situations = (entry["situation"], *entry.get("also", ()))
    return Errand(
        id=str(entry["id"]),
        situations=tuple(map(str, situations)),
        audience=str(entry.get("audience", "self")),
        name=_words(entry, ""),
        text=_words(entry, "text_"),
        url=safe_url(entry.get("url")),
        code=str(entry.get("code", "none")),
        checked=entry.get("checked", True) is True,
    )


def _make_authority(entry: Mapping[str, Any]) -> Authority:
    return Authority(
        id=str(entry["id"]),
        name=_words(entry, ""),
        url=safe_url(entry.get("url")),
        checked=entry.get("checked", True) is True,
        professions=tuple(map(str, entry.get("professions", ()))),
        kinds=tuple(map(str, entry.get("kinds", ()))),
    )


def _words(entry: Mapping[str, Any], prefix: str) -> Words:
    french = str(entry.get(f"{prefix}fr", ""))
    return Words(french, str(entry.get(f"{prefix}en", french)))


def safe_url(url: Any) -> str | None:
    """A page that a browser may be sent to: https, a host, nothing that hides where it leads. None for any other."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        hidden = parts.username is not None or parts.port not in (None, 443)
    except ValueError:
        return None
    return url if parts.scheme == "https" and parts.hostname and not hidden else None
