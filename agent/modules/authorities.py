"""The issuing authorities that programs need beside a card's certificate: servers may announce their root alone."""

from __future__ import annotations

import base64
import hashlib
import re
import textwrap
from dataclasses import dataclass
from typing import Final

from agent.modules.values import NAME

NICKNAME: Final = f"{NAME} - "
"""How every certificate that was imported here begins; a colon would name a token to NSS."""
PLAIN: Final = re.compile(r"[^0-9A-Za-z .,'()_-]")


@dataclass(frozen=True, slots=True)
class Authority:
    """An issuing authority: its certificate and its common name."""

    name: str
    der: bytes

    @property
    def nickname(self) -> str:
        """Its name in a database, of characters that no tool reads as something else; its own, whatever others do."""
        return f"{NICKNAME}{PLAIN.sub('?', self.name)[:60]} {hashlib.sha256(self.der).hexdigest()[:8]}"

    @property
    def file_name(self) -> str:
        """Its name as a file."""
        return re.sub(r"[^0-9a-z]+", "-", self.name.lower()).strip("-")[:60] + ".pem"

    @property
    def pem(self) -> str:
        """Its certificate as text (RFC 7468)."""
        lines = textwrap.fill(base64.b64encode(self.der).decode(), 64)
        return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
