"""Text from cards, pages and programs, made harmless before a person reads it: one line, no control, no bidi trick."""

from __future__ import annotations

import unicodedata
from urllib.parse import urlsplit

ELLIPSIS = "…"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MAX_MARKS = 2  # combining marks on one letter; more would paint over the lines above and below
BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # Hangul and Braille: printable, and nothing to see
ORIGIN_LIMIT = 300  # a host name has 253 characters (RFC 1035 §2.3.4)


def plain_text(text: str, limit: int = 200) -> str:
    """Give the text as one printable line of at most `limit` characters.

    Control, format (bidirectional marks, joiners), private, unassigned and blank ones become visible replacements.
    """
    shown = unicodedata.normalize("NFC", " ".join(text[: limit * 4].split()))
    shown = _limit_marks("".join(_printable(character) for character in shown))
    if len(shown) > limit or len(text) > limit * 4:
        return shown[: limit - 1].rstrip() + ELLIPSIS
    return shown


def _printable(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] == "Z":
        return " "
    return REPLACEMENT if category[0] == "C" or character in BLANKS else character


def _limit_marks(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def display_origin(origin: str) -> str:
    """Give a web origin in ASCII, international names as punycode: no letter can pass for another one.

    `https` on its usual port is left out. An overlong origin loses its beginning: its end says whose it is.
    """
    scheme, _, rest = origin.strip().lower().partition("://")
    if not rest:
        return _ascii(scheme)
    try:
        host, port = urlsplit(f"//{rest}").hostname, urlsplit(f"//{rest}").port
    except ValueError:  # a port that is no number, or brackets that do not match
        return _ascii(f"{scheme}://{rest}")
    exact = host is not None and rest in (host, f"{host}:{port}", f"[{host}]", f"[{host}]:{port}")
    return _ascii(rest if exact and scheme == "https" and port is None else f"{scheme}://{rest}")


def _ascii(text: str) -> str:
    head, separator, host = text.rpartition("://")
    try:
        host = host.encode("idna").decode("ascii")
    except UnicodeError:  # an empty or overlong label
        host = "".join(letter if letter.isascii() else REPLACEMENT for letter in host)
    shown = plain_text(head + separator + host, limit=len(text) * 8 + 8)
    return shown if len(shown) <= ORIGIN_LIMIT else ELLIPSIS + shown[1 - ORIGIN_LIMIT :]


def display_asker(caller: str, *, is_page: bool) -> str:
    """Give a caller as a person should read it: a page by its origin, a program by its path."""
    return display_origin(caller) if is_page else plain_text(caller, limit=300)
