"""The API's words for what the DMP and INSi are told."""

from __future__ import annotations

from enum import StrEnum


class Hash(StrEnum):
    """Which hash is used throughout, as hashlib names it."""

    SHA1 = "sha1"
    SHA256 = "sha256"


class Mode(StrEnum):
    """Who signs a VIHF: the professional's card, or the structure's certificate (AIR: authentification renforcée)."""

    DIRECT = "direct"
    INDIRECT = "indirect"
    AIR = "air"
