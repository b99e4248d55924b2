"""The nine authorities of IGC-Santé, each known by its fingerprint: a file that differs is no anchor.

Issued on 2013-06-25 until 2033. What builds the agent checks them too (`require_pinned`).
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from agent.certificates.pem import read_pem
from drivers.card.certificate import Certificate, parse_certificate
from drivers.errors import CardUnknownError

log = logging.getLogger(__name__)

PINNED: Final[Mapping[str, str]] = {
    "acr-elementaire.pem": "2d9e22ca19f777c6b745257c723ecb8df3c35fa6f1f6ec36b83600c97346967f",
    "acr-fort.pem": "53d30a19570826bde0c0762501f1f1c7a659f976c6c023123df5239df34a4eea",
    "acr-standard.pem": "5891815e864506c662afb32f8de5b8de38bffa1af721780b69e19a0c050386c3",
    "ac-elementaire-organisations.pem": "d834ee5b40686b73573f60547bf6052c6d404d942a5665cdb2c0b9137b5d27b2",
    "ac-elementaire-personnes.pem": "19c1eaeab477b6fbc233cda3b53fbdbc3f4e9bf6cf6973e46f7dfaef89c06c6c",
    "ac-fort-organisations.pem": "23f69674002d1dd4b018baecd908dc92687942bb48e5140ff895e2f56bc49c0d",
    "ac-fort-personnes.pem": "38284e4f6107456e70c7439c85da7d564d0fe1fe1a968c9eb6d43e1fc0d63c3a",
    "ac-standard-organisations.pem": "c0520a2b14fb68836a807bf86ab2b3e07d1b6061d91bc9c7b86a6f8de4b5638e",
    "ac-standard-personnes.pem": "6c339ebcb3e1b0102b143c9694225c2a4ab2ef6fedf7d364da8db305e7f7d997",
}
"""SHA-256 of the DER, by file, as published by the ANS."""


class AnchorsDamagedError(Exception):
    """A shipped authority is not the one that its fingerprint names."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """The shipped authorities that are what they should be, and the names of the files that are not."""

    authorities: tuple[Certificate, ...]
    refused: tuple[str, ...]


@functools.cache
def igc_sante() -> Anchors:
    """The production authorities; a damaged file is said in the log, once."""
    return read_anchors(resources.files(__package__).joinpath("igc-sante"))


def read_anchors(folder: Traversable) -> Anchors:
    """Read the pinned files of a folder; others in it are not looked at."""
    found, refused = [], []
    for name, fingerprint in PINNED.items():
        authority = _read_pinned(folder.joinpath(name), fingerprint)
        if authority is None:
            log.error("%s is not the authority of IGC-Santé that it should be: nothing is trusted by it", name)
            refused.append(name)
        else:
            found.append(authority)
    return Anchors(tuple(found), tuple(refused))


def require_pinned() -> None:
    """For whoever builds the agent. Raises AnchorsDamagedError."""
    anchors = igc_sante()
    if anchors.refused:
        raise AnchorsDamagedError(", ".join(anchors.refused))


def _read_pinned(file: Traversable, fingerprint: str) -> Certificate | None:
    try:
        (der,) = read_pem(file.read_bytes())
        return parse_certificate(der) if hashlib.sha256(der).hexdigest() == fingerprint else None
    except (OSError, ValueError, CardUnknownError):
        return None
