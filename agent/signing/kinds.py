"""Which module makes what: looked up by name, imported in the worker alone."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Final, cast

from agent.signing.preparation import Kind

KINDS: Final[Mapping[str, str]] = {
    "cms": "agent.signing.cms",
    "cades": "agent.signing.cms",
    "asic-e": "agent.signing.asic",
    "xades": "agent.signing.xades",
    "xmldsig": "agent.signing.xmldsig",
    "jws": "agent.signing.jws",
    "jades": "agent.signing.jades",
    "pades": "agent.signing.pades",
    "dmp-submission": "agent.signing.dmp.submission",
    "vihf": "agent.signing.dmp.vihf",
    "insi": "agent.signing.dmp.insi",
}


def load_kind(name: str) -> Kind:
    """Import the module. Raises KeyError for a kind that there is not."""
    return cast("Kind", importlib.import_module(KINDS[name]))
