"""What a notification says: a title and a sentence with what to do, as plain text."""

from __future__ import annotations

from dataclasses import dataclass
from gettext import NullTranslations

from agent.people.plain_text import plain_text
from agent.people.translations import write_date
from agent.people.tray.alerts import Alert, AlertKind
from agent.people.tray.state import Reader
from agent.people.tray.wording import NAME_LIMIT

BODY_LIMIT = 400


@dataclass(frozen=True, slots=True)
class Message:
    """A notification. One with the same `key` takes the place of an earlier one."""

    key: str
    title: str
    body: str
    urgent: bool = False


def write_message(alert: Alert, words: NullTranslations, language: str) -> Message:
    """Put an alert into words."""
    title, body = _WRITERS[alert.kind](alert, words, language)
    return Message(alert.key, title, plain_text(body, BODY_LIMIT), urgent=alert.kind in _URGENT)


_URGENT = frozenset({AlertKind.LAST_TRY, AlertKind.BLOCKED, AlertKind.EXPIRED, AlertKind.REVOKED})


def _wrong_card(alert: Alert, words: NullTranslations, language: str) -> tuple[str, str]:
    trouble = alert.reader.trouble if alert.reader else None
    body = trouble.sentence(language) if trouble else ""
    return words.gettext("This is not a CPS card"), body or words.gettext("Insert a CPS card.")


def _expires(alert: Alert, words: NullTranslations, _language: str) -> tuple[str, str]:
    title = words.ngettext("Your card expires in %d day", "Your card expires in %d days", alert.days) % alert.days
    body = words.gettext("{card} is valid until {date}. If no new one has come by then, ask for it.")
    return title, body.format(card=_card_words(alert.reader, words), date=_expiry_words(alert.reader, words))


def _expired(alert: Alert, words: NullTranslations, _language: str) -> tuple[str, str]:
    body = words.gettext("{card} was valid until {date}. Use the new one, or ask for it.")
    return words.gettext("Your card has expired"), body.format(
        card=_card_words(alert.reader, words), date=_expiry_words(alert.reader, words)
    )


def _last_try(alert: Alert, words: NullTranslations, _language: str) -> tuple[str, str]:
    body = words.gettext("{card}: one more wrong code blocks it. If you are not sure, look the code up first.")
    return words.gettext("One try left for the code"), body.format(card=_card_words(alert.reader, words))


def _blocked(alert: Alert, words: NullTranslations, _language: str) -> tuple[str, str]:
    body = words.gettext("{card}: unblock it with the unblocking code (8 digits), in the menu of this icon.")
    return words.gettext("The code of the card is blocked"), body.format(card=_card_words(alert.reader, words))


def _revoked(alert: Alert, words: NullTranslations, _language: str) -> tuple[str, str]:
    body = words.gettext(
        "{card}: its authority has revoked a certificate. It can no longer log in or sign; have the card replaced."
    )
    return words.gettext("Your certificate has been revoked"), body.format(card=_card_words(alert.reader, words))


def _renewal(alert: Alert, words: NullTranslations, _language: str) -> tuple[str, str]:
    renewal = alert.renewal
    assert renewal is not None
    date, name = write_date(renewal.expires_at, words), plain_text(renewal.name, NAME_LIMIT)
    if alert.days < 0:
        title = words.gettext("A software certificate has expired")
    else:
        days = alert.days
        title = words.ngettext("A certificate expires in %d day", "A certificate expires in %d days", days) % days
    body = words.gettext("{name}, until {date}. Order the next one: the page of certificates says how.")
    return title, body.format(name=name or words.gettext("A software certificate"), date=date)


def _no_agent(_alert: Alert, words: NullTranslations, _language: str) -> tuple[str, str]:
    body = words.gettext("No site and no program can use the card. The menu of this icon starts the agent again.")
    return words.gettext("The CPS agent has stopped"), body


def _service_stopped(_alert: Alert, words: NullTranslations, _language: str) -> tuple[str, str]:
    body = words.gettext("The workstation's smart card service is not running: no card can be used until it is.")
    return words.gettext("Smart card service stopped"), body


_WRITERS = {
    AlertKind.WRONG_CARD: _wrong_card,
    AlertKind.EXPIRES: _expires,
    AlertKind.EXPIRED: _expired,
    AlertKind.LAST_TRY: _last_try,
    AlertKind.BLOCKED: _blocked,
    AlertKind.REVOKED: _revoked,
    AlertKind.RENEWAL: _renewal,
    AlertKind.NO_AGENT: _no_agent,
    AlertKind.SERVICE_STOPPED: _service_stopped,
}


def _card_words(card: Reader | None, words: NullTranslations) -> str:
    """The card by its holder, the only personal word in a notification."""
    holder = plain_text(card.holder or "", NAME_LIMIT) if card else ""
    return words.gettext("The card of {holder}").format(holder=holder) if holder else words.gettext("The card")


def _expiry_words(card: Reader | None, words: NullTranslations) -> str:
    return write_date(card.expires_at, words) if card and card.expires_at else "?"
