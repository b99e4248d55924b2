"""How values are written in tokens, statements and challenges."""

from __future__ import annotations

import base64


def base64url(value: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
