"""The page "means of identification": who has which, until when, what is missing, and whom to turn to for it."""

from __future__ import annotations

from collections.abc import Iterator
from gettext import NullTranslations
from typing import Final

from agent.client import Client, Json
from agent.people.certificate_words import reason_words
from agent.people.errands.errands import Errands, load_errands
from agent.people.panel.errand_pages import errands_target
from agent.people.panel.sections import Button, Context, Deed, Line, Section, coded, moment_words, only_told, shown

GOOD, BAD, UNKNOWN = "✓", "✗", "?"
OVER: Final = ("expired", "revoked")
REASONED: Final = ("unknown", "revoked")
SIGNS: Final = {"valid": GOOD, "expiring": GOOD, "unknown": UNKNOWN}


def means_page(client: Client, context: Context) -> tuple[Section, ...]:
    """One section for each person and each structure."""
    bearers, words = client.means(), context.words
    if not bearers:
        return (Section(words.gettext("Nobody's card was in a reader of this workstation yet.")),)
    errands = load_errands()
    return tuple(bearer_section(bearer, errands, context) for bearer in bearers)


def bearer_section(bearer: Json, errands: Errands, context: Context) -> Section:
    """Who, each means with its state, what is missing; a button that leads to what to do."""
    words = context.words
    return Section(
        title=shown(bearer.get("name")) or shown(bearer.get("id")),
        mark=words.gettext("TEST") if bearer.get("test") else None,
        lines=(
            Line(words.gettext("All in all"), verdict_words(bearer, words)),
            *only_told((words.gettext("RPPS number"), shown(bearer.get("rpps"), 40))),
            *(Line(means_name(means, words), means_words(means, words)) for means in bearer.get("means") or ()),
            *(Line(words.gettext("Missing"), lack_words(lack, words)) for lack in bearer.get("missing") or ()),
        ),
        buttons=tuple(_errand_buttons(bearer, errands, context)),
    )


def _errand_buttons(bearer: Json, errands: Errands, context: Context) -> Iterator[Button]:
    """One that leads to every errand, for what is missing first; those that a correction took away are not led to."""
    ids = [str(one.get("errand")) for one in (*(bearer.get("missing") or ()), *(bearer.get("means") or ()))]
    known = [errand_id for errand_id in dict.fromkeys(ids) if errands.find(errand_id) is not None]
    if known:
        yield Button(context.words.gettext("What to do"), Deed.SHOW, errands_target(known))


def verdict_words(bearer: Json, words: NullTranslations) -> str:
    """All in all, with a sign: what a person has is judged otherwise than what a structure has."""
    verdict = str(bearer.get("verdict"))
    if bearer.get("kind") == "person":
        return {
            "enough": f"{GOOD} " + words.gettext("has a valid means of identification"),
            "missing": f"{BAD} " + words.gettext("has no valid means of identification: one of these is needed"),
            "unknown": f"{UNKNOWN} " + _doubt_words(bearer, words),
        }.get(verdict, shown(verdict, 40))
    return {
        "enough": f"{GOOD} " + words.gettext("complete"),
        "missing": f"{BAD} " + words.gettext("incomplete: all of these are needed"),
        "unknown": f"{UNKNOWN} " + words.gettext("complete; whether all of it is valid is not known"),
    }.get(verdict, shown(verdict, 40))


def _doubt_words(bearer: Json, words: NullTranslations) -> str:
    """What this workstation cannot know: whether there is an e-CPS, or whether a card is valid."""
    if bearer.get("missing"):
        return words.gettext("no valid card is known here; whether there is an e-CPS is not known")
    return words.gettext("has a card; whether it is valid is not known")


def means_name(means: Json, words: NullTranslations) -> str:
    """What identifies: a card by its kind and number, a software certificate by its roles."""
    kind = str(means.get("kind"))
    if kind == "card":
        return f"{shown(means.get('cardKind'), 20)} {shown(means.get('number'), 40)}"
    if kind == "e-cps":
        return words.gettext("e-CPS")
    if kind == "software":
        roles = ", ".join(shown(role, 20) for role in means.get("roles") or ())
        return words.gettext("Certificate {roles}").format(roles=roles) if roles else words.gettext("Certificate")
    return shown(kind, 40)


def means_words(means: Json, words: NullTranslations) -> str:
    """Its state with a sign, until when, what for, and where it is."""
    state = str(means.get("state"))
    sign = SIGNS.get(state, BAD)
    parts = (state_words(means, words), _until(means, words), coded(means.get("profession")), _place(means, words))
    return f"{sign} " + ", ".join(filter(None, parts))


def state_words(means: Json, words: NullTranslations) -> str:
    """The state of a means, and why it was revoked or is not known."""
    state, reason = str(means.get("state")), str(means.get("stateReason") or "")
    if state == "unknown" and means.get("kind") == "e-cps":
        if reason == "used-long-ago":
            return words.gettext("not known: used here long ago")
        return words.gettext("not known: not used here yet")
    text = _plain_state_words(state, words)
    why = reason_words(reason, words) if state in REASONED else ""
    return f"{text} ({why})" if why else text


def _plain_state_words(state: str, words: NullTranslations) -> str:
    """A word of a later agent is shown as it is."""
    return {
        "valid": words.gettext("valid"),
        "expiring": words.gettext("expires soon"),
        "expired": words.gettext("has expired"),
        "not-yet-valid": words.gettext("not valid yet (is the date of this workstation right?)"),
        "revoked": words.gettext("has been revoked"),
        "unknown": words.gettext("valid by its dates, no more is known"),
    }.get(state, shown(state, 40))


def _until(means: Json, words: NullTranslations) -> str:
    """When its state began, for what is over; else when it ends."""
    state = means.get("state")
    moment = means.get("stateSince" if state == "revoked" else "expiresAt")
    text = words.gettext("on {date}") if state in OVER else words.gettext("until {date}")
    return text.format(date=moment_words(moment, words)) if moment else ""


def _place(means: Json, words: NullTranslations) -> str:
    if means.get("present"):
        return words.gettext("in a reader now")
    seen = moment_words(means.get("seenAt"), words) if means.get("seenAt") else None
    return words.gettext("last seen here on {date}").format(date=seen) if seen else ""


def lack_words(lack: Json, words: NullTranslations) -> str:
    """What is missing, and why."""
    what = str(lack.get("what"))
    name = {
        "card": words.gettext("a valid card"),
        "e-cps": words.gettext("or an e-CPS"),
        "AUTH_CLI": words.gettext("a certificate to authenticate (AUTH_CLI)"),
        "SIGN": words.gettext("a certificate to sign (SIGN)"),
    }.get(what, shown(what, 40))
    why = {
        "expired": words.gettext("has expired"),
        "revoked": words.gettext("has been revoked"),
        "not-yet-valid": words.gettext("not valid yet"),
        "not-seen-here": words.gettext("none on this workstation"),
        "unknown": words.gettext("not used here lately"),
    }.get(str(lack.get("reason")), shown(lack.get("reason"), 40))
    return f"{name} ({why})"
