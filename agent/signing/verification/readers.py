"""Which module reads what: found by the first bytes, imported in the child alone."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Final, cast

from agent.signing.verification.findings import Reader

READERS: Final[Mapping[str, str]] = {
    "cms": "agent.signing.verification.cms",
    "pdf": "agent.signing.verification.pdf.reader",
    "jose": "agent.signing.verification.jose",
    "xml": "agent.signing.verification.xml",
    "asic": "agent.signing.verification.asic",
}


def load_reader(name: str) -> Reader:
    """Import the module. Raises KeyError for a family that there is not."""
    return cast("Reader", importlib.import_module(READERS[name]))
