"""What panel and command line say of a certificate's state, as the API tells it; an unknown word is shown as it is."""

from __future__ import annotations

from gettext import NullTranslations
from typing import Any

from agent.people.plain_text import plain_text
from agent.people.translations import write_date
from agent.people.tray.state import parse_moment

Json = dict[str, Any]


def state_words(state: str, words: NullTranslations) -> str:
    """The state, in a few words."""
    return {
        "valid": words.gettext("valid"),
        "expiring": words.gettext("valid, expires soon"),
        "expired": words.gettext("expired"),
        "not-yet-valid": words.gettext("not valid yet"),
        "revoked": words.gettext("revoked"),
        "unknown": words.gettext("not known"),
    }.get(state, plain_text(state, 40))


def revocation_words(certificate: Json, words: NullTranslations) -> str:
    """What is known of a revocation: that there is one, that there was none on a date, or why nothing is known."""
    revocation = certificate.get("revocation") or {}
    reason = reason_words(str(revocation.get("reason") or ""), words)
    if revocation.get("status") == "revoked":
        since = words.gettext("revoked on {date}").format(date=_date(revocation.get("revokedAt"), words))
        return f"{since} ({reason})" if reason else since
    if revocation.get("status") == "good":
        told = words.gettext("none, as its authority said on {date}")
        return told.format(date=_date(revocation.get("producedAt"), words))
    return reason


def reason_words(reason: str, words: NullTranslations) -> str:
    """Why it was revoked (RFC 5280 §5.3.1), or why nothing is known."""
    return {
        "issuer-unknown": words.gettext("no authority known here issued it"),
        "unreadable": words.gettext("it cannot be read"),
        "not-checked": words.gettext("not asked yet"),
        "off": words.gettext("not asked: switched off in the settings"),
        "test-card": words.gettext("none: a test card of this agent"),
        "not-published": words.gettext("it does not say where to ask"),
        "host-not-allowed": words.gettext("the settings do not let the agent ask where it says"),
        "offline": words.gettext("its authority could not be reached"),
        "too-large": words.gettext("its authority's answer is too large"),
        "not-known-to-issuer": words.gettext("its authority does not know it"),
        "stale": words.gettext("its authority's last answer has run out"),
        "responder-wrong": words.gettext("the answer did not come from its authority"),
        "check-failed": words.gettext("the check failed"),
        "unspecified": "",
        "key-compromise": words.gettext("its key was exposed"),
        "ca-compromise": words.gettext("its authority's key was exposed"),
        "affiliation-changed": words.gettext("the holder's situation has changed"),
        "superseded": words.gettext("another one replaces it"),
        "cessation-of-operation": words.gettext("no longer used"),
        "certificate-hold": words.gettext("suspended"),
        "privilege-withdrawn": words.gettext("the right to it was withdrawn"),
    }.get(reason, plain_text(reason, 40))


def refused_authority_words(name: object, words: NullTranslations) -> str:
    """A shipped authority whose file is not what it should be."""
    text = words.gettext("{file} is damaged: nothing that it issued is trusted. Install the agent again.")
    return text.format(file=plain_text(str(name), 60))


def _date(text: object, words: NullTranslations) -> str:
    moment = parse_moment(text)
    return write_date(moment, words) if moment is not None else "?"
