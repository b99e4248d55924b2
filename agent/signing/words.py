"""The API's words for signatures: formats, levels, packagings, schemes, and what each format can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Format(StrEnum):
    """How a signature is written down."""

    RAW = "raw"
    CMS = "cms"
    CADES = "cades"
    XADES = "xades"
    XMLDSIG = "xmldsig"
    PADES = "pades"
    ASIC_E = "asic-e"
    JWS = "jws"
    JADES = "jades"


class Level(StrEnum):
    """What a signature carries to be believed later: nothing, a time-stamp, evidence, and time-stamps over that."""

    B = "B"
    T = "T"
    LT = "LT"
    LTA = "LTA"


class Packaging(StrEnum):
    """Where the document is: beside the signature, inside it, or around it."""

    DETACHED = "detached"
    ENVELOPING = "enveloping"
    ENVELOPED = "enveloped"


class Scheme(StrEnum):
    """RSASSA-PKCS1-v1_5 or RSASSA-PSS, each with SHA-256 (RFC 7518 §3.3, §3.5)."""

    RS256 = "RS256"
    PS256 = "PS256"


class Serialization(StrEnum):
    """How a JWS is written: RFC 7515 §3.1 (compact), §3.2 (json)."""

    COMPACT = "compact"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a format can do; the first of `packagings` is the usual one.

    `takes_digests`: of a detached document the hash is enough. `joins`: all documents of a call stand in one signature.
    """

    packagings: tuple[Packaging, ...]
    levels: tuple[Level, ...]
    takes_digests: bool = False
    joins: bool = False


_ALL: Final = tuple(Level)
_D, _G, _E = Packaging.DETACHED, Packaging.ENVELOPING, Packaging.ENVELOPED

RULES: Final[Mapping[Format, Rules]] = {
    Format.RAW: Rules((_D,), (), takes_digests=True),
    Format.CMS: Rules((_D, _G), _ALL, takes_digests=True),
    Format.CADES: Rules((_D, _G), _ALL, takes_digests=True),
    Format.XADES: Rules((_E, _G, _D), (Level.B, Level.T, Level.LT), takes_digests=True),
    Format.XMLDSIG: Rules((_E, _G, _D), (Level.B,), takes_digests=True),
    Format.PADES: Rules((_E,), _ALL),
    Format.ASIC_E: Rules((_G,), (Level.B, Level.T, Level.LT), joins=True),
    Format.JWS: Rules((_G, _D), (Level.B,)),
    Format.JADES: Rules((_G, _D), (Level.B,), takes_digests=True),
}
