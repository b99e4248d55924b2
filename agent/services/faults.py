"""SOAP faults of the French services, explained: found in the first bytes of an answer, which is parsed by nobody here.

An answer passes unchanged. What the table does not know has no explanation, and a code is shown as it stands.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from agent.services.catalog import Assertion, Entry, Service

MAX_HEAD: Final = 64 * 1024
MAX_CODES: Final = 4
"""Shown of one fault: a service that sends a thousand fills no header."""
FAMILIES: Final = {Assertion.VIHF: "dmp", Assertion.INSI: "insi"}
MEDIA_TYPES: Final = ("application/soap+xml", "application/xop+xml", "application/xml", "text/xml", "multipart/related")

# The first child of Body (SOAP 1.2 part 1 §5.4, SOAP 1.1 §4.4), of whatever prefix.
_NAME: Final = rb"(?:[A-Za-z_][\w.-]{0,63}:)?"
_FIRST: Final = re.compile(rb"<%bBody(?:\s[^<>]{0,4096})?>\s*<%b([A-Za-z_][\w.-]*)[\s/>]" % (_NAME, _NAME))
_END: Final = re.compile(rb"</%bFault\s*>" % _NAME)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a fault is called, by the service's own codes where it has any, and what to do in English and French."""

    codes: tuple[str, ...]
    sentence: str | None = None
    sentence_fr: str | None = None


class _Fault(Entry, frozen=True):
    marks: Annotated[tuple[str, ...], Meta(min_length=1)]
    en: str
    fr: str
    word: str | None = None


class _Family(Entry, frozen=True):
    codes: str
    faults: tuple[_Fault, ...]


def may_hold_fault(media_type: str | None) -> bool:
    """Whether an answer of this Content-Type can be a fault; whatever its status: in MTOM a fault comes with 200."""
    return (media_type or "").partition(";")[0].strip().lower() in MEDIA_TYPES


def is_decided(head: bytes) -> bool:
    """Whether these first bytes of an answer tell already: it has another body, or the fault is there as a whole."""
    first = _FIRST.search(head)
    if first is None:
        return len(head) >= MAX_HEAD
    return first[1] != b"Fault" or _END.search(head, first.end()) is not None or len(head) >= MAX_HEAD


def explain(head: bytes, service: Service) -> Explanation | None:
    """Explain the fault that an answer begins with; None where there is none, or nothing is known of it."""
    first = _FIRST.search(head, 0, MAX_HEAD)
    if first is None or first[1] != b"Fault" or service.assertion is None:
        return None
    end = _END.search(head, first.end())
    fault = head[first.end() : end.start() if end else MAX_HEAD]
    family = _load_table()[FAMILIES[service.assertion]]
    codes = tuple(dict.fromkeys(code.decode("ascii") for code in re.findall(family.codes.encode(), fault)))[:MAX_CODES]
    known = next((each for each in family.faults if _matches(each, fault)), None)
    if known is None:
        return Explanation(codes) if codes else None
    return Explanation(codes or ((known.word,) if known.word else ()), known.en, known.fr)


def _matches(known: _Fault, fault: bytes) -> bool:
    return any(re.search(mark.encode("ascii"), fault, re.DOTALL) for mark in known.marks)


@cache
def _load_table() -> dict[str, _Family]:
    content = resources.files(__package__).joinpath("faults.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(content), dict[str, _Family])
