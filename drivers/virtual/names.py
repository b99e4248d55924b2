"""The kinds of virtual cards by their names alone, for whoever reads settings and command lines: `kinds` makes them."""

from __future__ import annotations

from typing import Final

DEFAULT_KIND: Final = "cps3"
KIND_NAMES: Final = (
    DEFAULT_KIND, "cps3-contactless", "cps3-situations", "cps4", "cpf", "cpe", "cpe-anonymous", "cde", "cpa", "cda",
    "update-unfinished", "vitale", "french-eid", "bank", "unknown", "mute",
)  # fmt: skip
PCSC_KIND_NAMES: Final = tuple(name for name in KIND_NAMES if name != "mute")
"""Those that vpcd can hold (3.3): a card without an ATR is no card to it, and holds up every reader of pcscd."""
