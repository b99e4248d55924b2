"""Whether health services can be reached with a card's key here, in words, from `tls` of `GET /v1/status`."""

from __future__ import annotations

from collections.abc import Mapping
from gettext import NullTranslations
from typing import Any


def tls_trouble_words(tls: Mapping[str, Any] | None, words: NullTranslations) -> str | None:
    """What does not work, and why; None where everything does, or nobody has tried yet."""
    if not tls or tls["tls13"]:
        return None
    reason = tls["reason"] or ""
    if tls["available"]:
        return words.gettext("TLS 1.3 with the key of a card is not available: {reason}").format(reason=reason)
    return words.gettext("TLS with the key of a card is not available: {reason}").format(reason=reason)
