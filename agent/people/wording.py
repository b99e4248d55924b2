"""What a question says, in order, as plain text: one page, shown alike by the window and by the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from gettext import NullTranslations

from agent.people.plain_text import display_asker, display_origin, plain_text
from agent.people.prompt import (
    ABILITIES,
    Action,
    Asker,
    CardSummary,
    ConfirmRequest,
    Notice,
    PinKind,
    PinRequest,
)
from agent.people.wire import MAX_SUBJECTS, SUBJECT_LIMIT, Question


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the page: what it is about, the text, and the items of a list when there are some."""

    label: str
    text: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeField:
    """A code to type, and the number of digits it takes."""

    label: str
    min_length: int
    max_length: int

    def accepts(self, digits: bytes | bytearray) -> bool:
        """Tell whether these are the digits of a code of this field."""
        return digits.isdigit() and self.min_length <= len(digits) <= self.max_length


@dataclass(frozen=True, slots=True)
class Page:
    """A whole question. With three fields, the last two hold the same new code. `accept` is None for a notice."""

    title: str
    heading: str
    facts: tuple[Fact, ...]
    refuse: str
    accept: str | None = None
    mark: str | None = None
    fields: tuple[CodeField, ...] = ()
    tries: str | None = None
    last_try: str | None = None
    session: str | None = None


def write_page(question: Question, words: NullTranslations) -> Page:
    """Put a question into words."""
    if isinstance(question, PinRequest):
        return _write_pin_page(question, words)
    if isinstance(question, ConfirmRequest):
        return _write_consent_page(question, words)
    return _write_notice_page(question, words)


def _write_pin_page(request: PinRequest, words: NullTranslations) -> Page:
    return Page(
        title=words.gettext("CPS code"),
        heading=_pin_heading(request, words),
        facts=(*_asker_facts(request.asker, words), *_purpose_facts(request, words), *_card_facts(request.card, words)),
        refuse=words.gettext("Refuse"),
        accept=words.gettext("Confirm"),
        mark=words.gettext("TEST CARD") if request.card.test else None,
        fields=_code_fields(request, words),
        tries=_tries_sentence(request, words),
        last_try=_last_try_sentence(request, words),
        session=_session_sentence(request, words),
    )


def _pin_heading(request: PinRequest, words: NullTranslations) -> str:
    if request.on_behalf_of is not None:
        return words.gettext("A program wants to log in to a site as you")
    return {
        Action.AUTHENTICATE: words.gettext("Log in with your card"),
        Action.SIGN: words.gettext("Sign with your card"),
        Action.SIGN_RAW: words.gettext("Sign data that cannot be shown to you"),
        Action.VERIFY_PIN: words.gettext("Check the code of your card"),
        Action.CHANGE_PIN: words.gettext("Choose a new code for your card"),
        Action.UNBLOCK_PIN: words.gettext("Unblock your card"),
    }[request.action]


def _asker_facts(asker: Asker, words: NullTranslations) -> tuple[Fact, ...]:
    label = words.gettext("Site asking") if asker.is_page else words.gettext("Program asking")
    facts = [Fact(label, display_asker(asker.caller, is_page=asker.is_page))]
    if asker.through is not None and asker.through != asker.caller:
        facts.append(Fact(words.gettext("Through"), plain_text(asker.through, limit=300)))
    return tuple(facts)


def _purpose_facts(request: PinRequest, words: NullTranslations) -> tuple[Fact, ...]:
    facts = [_purpose_fact(request, words)]
    if request.format is not None:
        facts.append(Fact(words.gettext("Format"), plain_text(request.format, limit=60)))
    return tuple(fact for fact in facts if fact is not None)


def _purpose_fact(request: PinRequest, words: NullTranslations) -> Fact | None:
    if request.on_behalf_of is not None:
        return Fact(words.gettext("Log in as you to"), display_origin(request.on_behalf_of))
    if request.action is Action.AUTHENTICATE:
        site = request.subjects[0] if request.subjects else None
        return Fact(words.gettext("Log you in to"), display_origin(site)) if site else None
    if request.action in (Action.SIGN, Action.SIGN_RAW):
        return _signature_fact(request, words)
    return None


def _signature_fact(request: PinRequest, words: NullTranslations) -> Fact:
    count = len(request.subjects) if request.subject_count is None else request.subject_count
    if request.action is Action.SIGN:
        text = words.ngettext("%d document", "%d documents", count) % count
    else:
        text = words.ngettext("%d value", "%d values", count) % count
    names = [plain_text(name, SUBJECT_LIMIT) for name in request.subjects[:MAX_SUBJECTS]]
    if names and count > len(names):
        left = count - len(names)
        names.append(words.ngettext("and %d other", "and %d others", left) % left)
    return Fact(words.gettext("To sign"), text, tuple(names))


def _card_facts(card: CardSummary, words: NullTranslations) -> tuple[Fact, ...]:
    return (
        Fact(words.gettext("Card holder"), plain_text(card.holder, limit=80)),
        Fact(words.gettext("Card number"), plain_text(card.number, limit=40)),
    )


def _code_fields(request: PinRequest, words: NullTranslations) -> tuple[CodeField, ...]:
    new = (request.min_length, request.max_length)
    first = {
        PinKind.CHANGE: words.gettext("Current code"),
        PinKind.UNBLOCK: words.gettext("Unblocking code"),
    }.get(request.kind, words.gettext("CPS code"))
    field = CodeField(first, *request.code_lengths)
    if not request.wants_new_code:
        return (field,)
    again = CodeField(words.gettext("New code again"), *new)
    return field, CodeField(words.gettext("New code"), *new), again


def _tries_sentence(request: PinRequest, words: NullTranslations) -> str:
    left = request.tries_left
    if left is None:
        return words.gettext("The card does not tell how many tries are left.")
    return words.ngettext("%d try left.", "%d tries left.", left) % left


def _last_try_sentence(request: PinRequest, words: NullTranslations) -> str | None:
    if request.tries_left != 1:
        return None
    if request.kind is PinKind.UNBLOCK:
        return words.gettext("I understand that a wrong unblocking code makes the card unusable for good.")
    return words.gettext("I understand that a wrong code blocks the card.")


def _session_sentence(request: PinRequest, words: NullTranslations) -> str | None:
    minutes = request.session_minutes
    if minutes is None or request.wants_new_code:
        return None
    return (
        words.ngettext(
            "Do not ask me again for %d minute, for this requester and this card.",
            "Do not ask me again for %d minutes, for this requester and this card.",
            minutes,
        )
        % minutes
    )


def _write_consent_page(request: ConfirmRequest, words: NullTranslations) -> Page:
    heading = (
        words.gettext("A site asks to use your CPS card")
        if request.asker.is_page
        else words.gettext("A program asks to use your CPS card")
    )
    return Page(
        title=words.gettext("CPS consent"),
        heading=heading,
        facts=(*_asker_facts(request.asker, words), _ability_fact(request, words), _duration_fact(request, words)),
        refuse=words.gettext("Refuse"),
        accept=words.gettext("Allow"),
    )


def _ability_fact(request: ConfirmRequest, words: NullTranslations) -> Fact:
    sentences = {
        "identity": words.gettext("read your identity on the card: name, RPPS number, profession, places of work"),
        "authenticate": words.gettext("log you in with your card; your code is asked for"),
        "sign": words.gettext("have documents signed in your name; your code is asked for"),
        "sign-raw": words.gettext("have data signed in your name that cannot be shown to you; your code is asked for"),
        "batch": words.gettext("have several documents signed with one code"),
        "gateway": words.gettext("call health services in your name with your card"),
        "events": words.gettext("know when a card is inserted or removed"),
    }
    asked = frozenset(request.abilities)  # in our order, whatever the caller's
    return Fact(words.gettext("It could"), "", tuple(sentences[ability] for ability in ABILITIES if ability in asked))


def _duration_fact(request: ConfirmRequest, words: NullTranslations) -> Fact:
    return Fact(words.gettext("For how long"), _duration(request.until, words, remembered=request.remembered))


def _duration(until: datetime | None, words: NullTranslations, *, remembered: bool) -> str:
    if until is not None:
        return words.gettext("until {date} at {time}").format(
            date=until.astimezone().strftime(words.gettext("%Y-%m-%d")), time=until.astimezone().strftime("%H:%M")
        )
    if remembered:
        return words.gettext("until you take it back in the agent's menu")
    return words.gettext("this time only")


def _write_notice_page(notice: Notice, words: NullTranslations) -> Page:
    return Page(
        title=words.gettext("CPS agent"),
        heading=str(notice.kind),
        facts=(),
        refuse=words.gettext("Close"),
    )
