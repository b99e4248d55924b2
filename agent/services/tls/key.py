"""What TLS needs of a key: its certificate, and somebody who signs a hash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers.base import Digest

Sign = Callable[[Digest], bytes]
"""Sign one hash. Called in the thread of the handshake, which it blocks; whatever it raises ends the handshake."""


@dataclass(frozen=True, slots=True)
class TlsKey:
    """An authentication key for TLS. `chain_der`: its issuers without the root, to be sent along.

    `pss`: whether it can sign RSASSA-PSS over SHA-256, without which there is no TLS 1.3 (RFC 8446 §4.2.3).
    """

    certificate_der: bytes
    chain_der: tuple[bytes, ...]
    pss: bool
    sign: Sign
