"""Web eID authentication tokens, format web-eid:1.0 (Web eID system architecture, "Authentication token")."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from agent import __version__
from agent.cards.uses import UnlockedKey
from drivers.base import Digest

FORMAT = "web-eid:1.0"
ALGORITHM = "RS256"
HASH = "sha256"
APP_VERSION = f"cps-agent/{__version__}"


async def make_token(key: UnlockedKey, origin: str, challenge_nonce: str) -> Mapping[str, str]:
    """Sign hash(origin) ‖ hash(nonce): the nonce enters as the text that the site sent, not decoded."""
    message = _hash(origin) + _hash(challenge_nonce)
    signature = await key.sign(Digest(HASH, hashlib.new(HASH, message).digest()))
    return {
        "unverifiedCertificate": base64.b64encode(key.info.certificate_der).decode(),
        "algorithm": ALGORITHM,
        "signature": base64.b64encode(signature).decode(),
        "format": FORMAT,
        "appVersion": APP_VERSION,
    }


def _hash(text: str) -> bytes:
    return hashlib.new(HASH, text.encode()).digest()
