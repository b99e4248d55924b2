"""Certificates in PEM (RFC 7468), or as bare DER."""

from __future__ import annotations

import binascii
import re

MAX_CERTIFICATES = 128

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


def read_pem(content: bytes) -> tuple[bytes, ...]:
    """DER of each certificate, the first 128 of them; other blocks and texts do not count. Raises ValueError."""
    blocks = _BLOCK.findall(content)[:MAX_CERTIFICATES]
    return tuple(binascii.a2b_base64(block) for block in blocks)


def read_certificates(content: bytes) -> tuple[bytes, ...]:
    """DER of each certificate of a file in either form. Raises ValueError when there is none."""
    found = read_pem(content) or ((content,) if content[:1] == b"\x30" else ())
    if not found:
        raise ValueError("no certificate")
    return found
