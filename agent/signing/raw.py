"""Raw signatures: RSASSA-PKCS1-v1_5 over a hash that a program made itself, by its own responsibility."""

from __future__ import annotations

from collections.abc import Sequence

from agent.cards.uses import UnlockedKey
from agent.signing.documents import NamedDigest, Signature


async def sign_raw(key: UnlockedKey, digests: Sequence[NamedDigest]) -> list[Signature]:
    """Sign each hash; the signatures are the bare 256 bytes of an RSA 2048 key."""
    signatures = await key.sign_all([named.digest for named in digests])
    return [
        Signature(named.name, signature, key.info.certificate_der)
        for named, signature in zip(digests, signatures, strict=True)
    ]
