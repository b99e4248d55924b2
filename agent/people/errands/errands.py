"""The errands as values: our own file, corrected by an administrator's and then by the user's, entry by entry."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from agent.people.plain_text import plain_text
from agent.settings import policy_file, user_file

OWN_FILE: Final = Path(__file__).with_name("errands.toml")
FILE: Final = "errands.toml"
TABLES: Final = ("errand", "authority")
MAX_FILE: Final = 262_144
MAX_ENTRIES: Final = 200
MAX_LIST: Final = 100
MAX_DOTS: Final = 32
MAX_TEXT: Final = 600
SITUATIONS: Final = ("lost", "stolen", "faulty", "codes-lost", "blocked", "order", "expired", "revoked")
"""What may have happened to a card, in the order of the page; the file knows others, which are no card's."""

GROUPS: Final = ("card", "codes", "e-cps", "staff", "certificates", "registration", "directory", "forms")
"""The headings, in the order of the page."""

AUDIENCES: Final = ("self", "structure", "employer")
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
    """One thing to do. `code`: the code to have at hand, None where no card matters.

    `checked` False: shown as to be checked. `group` and `audience` are among those above, or a correction's own.
    """

    id: str
    situations: tuple[str, ...]
    group: str
    audience: str
    name: Words
    text: Words
    url: str | None = None
    code: str | None = None
    checked: bool = True


@dataclass(frozen=True, slots=True)
class Errands:
    """Everything known, and the files that could not be read, with why."""

    errands: tuple[Errand, ...]
    authorities: tuple[Authority, ...]
    failures: tuple[str, ...] = ()

    @property
    def situations(self) -> tuple[str, ...]:
        """Every situation that an errand is for: those of a card first."""
        found = (situation for errand in self.errands for situation in errand.situations)
        return tuple(dict.fromkeys((*SITUATIONS, *found)))

    def for_situation(self, situation: str) -> tuple[Errand, ...]:
        """What can be done then, in the order of the file."""
        return tuple(errand for errand in self.errands if situation in errand.situations)

    def for_audience(self, audience: str) -> Errands:
        """The same with that audience's errands alone."""
        kept = tuple(errand for errand in self.errands if errand.audience == audience)
        return Errands(kept, self.authorities, self.failures)

    def for_group(self, group: str) -> tuple[Errand, ...]:
        """What stands under a heading, in the order of the file."""
        return tuple(errand for errand in self.errands if errand.group == group)

    def find(self, errand_id: str) -> Errand | None:
        """The errand of that id; a correction may have none of ours left in it."""
        return next((errand for errand in self.errands if errand.id == errand_id), None)

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
    tables: dict[str, dict[str, Any]] = {name: {} for name in TABLES}
    _merge(tables, tomllib.loads(OWN_FILE.read_text("utf-8")))
    failures = []
    for path in _places() if corrections is None else corrections:
        try:
            read = _read(path)
            _build(read)  # before it takes the place of what works
        except FileNotFoundError:
            continue
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            failures.append(f"{path}: {_explain(error)}")
        else:
            _merge(tables, read)
    errands, authorities = _build({name: list(table.values()) for name, table in tables.items()})
    return Errands(errands, authorities, tuple(failures))


def _places() -> tuple[Path, Path]:
    return policy_file().with_name(FILE), user_file().with_name(FILE)


def _explain(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _read(path: Path) -> dict[str, Any]:
    """Parse a correction, its texts made harmless. Raises OSError, ValueError, TypeError, AttributeError."""
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
        raise ValueError("it is no file")
    with path.open("rb") as file:
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise ValueError("the file is too large")
    if any(line.partition(b"=")[0].count(b".") > MAX_DOTS for line in content.splitlines()):
        raise ValueError("keys within keys without end")  # tomllib would take hours for them
    read = tomllib.loads(content.decode())
    return {name: [_harmless(entry) for entry in _list(read.get(name, []), MAX_ENTRIES)] for name in TABLES}


def _list(value: Any, limit: int) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"a list is expected, not {type(value).__name__}")
    if len(value) > limit:
        raise ValueError(f"more than {limit} entries in a list")
    return value


def _harmless(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain_text(value, MAX_TEXT) if isinstance(value, str) else value for name, value in entry.items()}


def _merge(tables: Mapping[str, dict[str, Any]], read: Mapping[str, Any]) -> None:
    for name, table in tables.items():
        table |= {entry["id"]: entry for entry in read.get(name, ())}


def _build(read: Mapping[str, Any]) -> tuple[tuple[Errand, ...], tuple[Authority, ...]]:
    return tuple(map(_make_errand, read.get("errand", ()))), tuple(map(_make_authority, read.get("authority", ())))


def _make_errand(entry: Mapping[str, Any]) -> Errand:
    situations = (_text(entry["situation"]), *_texts(entry.get("also", [])))
    audience = _text(entry.get("audience", "self"))
    return Errand(
        id=_text(entry["id"]),
        situations=situations,
        group=_text(entry.get("group", _usual_group(audience, situations))),
        audience=audience,
        name=_words(entry, ""),
        text=_words(entry, "text_"),
        url=safe_url(entry.get("url")),
        code=None if entry.get("code") is None else _text(entry["code"]),
        checked=entry.get("checked", True) is True,
    )


def _usual_group(audience: str, situations: tuple[str, ...]) -> str:
    """Where an entry stands that does not say so: corrections of earlier agents know no groups."""
    if audience != "self":
        return "staff"
    return "codes" if situations[0] in ("codes-lost", "blocked") else "card"


def _make_authority(entry: Mapping[str, Any]) -> Authority:
    return Authority(
        id=_text(entry["id"]),
        name=_words(entry, ""),
        url=safe_url(entry.get("url")),
        checked=entry.get("checked", True) is True,
        professions=_texts(entry.get("professions", [])),
        kinds=_texts(entry.get("kinds", [])),
    )


def _words(entry: Mapping[str, Any], prefix: str) -> Words:
    french = _text(entry.get(f"{prefix}fr", ""))
    return Words(french, _text(entry.get(f"{prefix}en", french)))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is expected, not {type(value).__name__}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(plain_text(_text(one), MAX_TEXT) for one in _list(value, MAX_LIST))


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
