"""What a question says, in order, as plain text."""

from __future__ import annotations

from gettext import NullTranslations

from agent.people.facts import KEY_ACTIONS, name_card, write_abilities, write_asker, write_card, write_purpose
from agent.people.keeping_words import session_sentence, write_deed_page, write_software_page
from agent.people.page import Choice, CodeField, Fact, Page
from agent.people.plain_text import plain_text
from agent.people.prompt import (
    Action,
    CardChoice,
    CardSummary,
    ConfirmRequest,
    DeedRequest,
    Notice,
    NoticeKind,
    NumberSummary,
    PinKind,
    PinRequest,
)
from agent.people.wire import Question


def write_page(question: Question, words: NullTranslations) -> Page:
    """Put a question into words."""
    if isinstance(question, PinRequest):
        return _write_pin_page(question, words)
    if isinstance(question, ConfirmRequest):
        return _write_consent_page(question, words)
    if isinstance(question, CardChoice):
        return _write_choice_page(question, words)
    if isinstance(question, DeedRequest):
        return write_deed_page(question, words)
    return _write_notice_page(question, words)


def _write_pin_page(request: PinRequest, words: NullTranslations) -> Page:
    sections = (
        write_asker(request.asker, words),
        write_purpose(request, words),
        write_card(request.card, words),
    )
    if request.card.is_software:
        return write_software_page(request, tuple(filter(None, sections)), words)
    return Page(
        title=words.gettext("CPS code"),
        heading=_pin_heading(request, words),
        sections=tuple(section for section in sections if section),
        refuse=words.gettext("Refuse"),
        accept=words.gettext("Continue on the reader") if request.on_pad else words.gettext("Confirm"),
        mark=_mark(request.card, words),
        advice=_pad_sentence(request, words) if request.on_pad else None,
        fields=() if request.on_pad else _code_fields(request, words),
        tries=_tries_sentence(request.tries_left, words),
        last_try=_last_try_sentence(request, words),
        session=None if request.on_pad else session_sentence(request, words),
    )


def _mark(card: CardSummary, words: NullTranslations) -> str | None:
    return words.gettext("TEST CARD") if card.test else None


def _pin_heading(request: PinRequest, words: NullTranslations) -> str:
    if request.on_behalf_of is not None:
        return words.gettext("A program wants to log in to a site as you")
    if request.action in KEY_ACTIONS and request.for_login:
        return words.gettext("A program wants to log in as you with your card")
    return {
        Action.AUTHENTICATE: words.gettext("Log in with your card"),
        Action.SIGN: words.gettext("Sign with your card"),
        Action.SIGN_DIGESTS: words.gettext("Sign with your card documents that the agent has not seen"),
        Action.SIGN_BATCH: words.gettext("Sign a batch of documents with your card, with one code"),
        Action.SIGN_RAW: words.gettext("Sign data that cannot be shown to you"),
        Action.VERIFY_PIN: words.gettext("Check the code of your card"),
        Action.CHANGE_PIN: words.gettext("Choose a new code for your card"),
        Action.UNBLOCK_PIN: words.gettext("Unblock your card"),
        Action.ASSERT: words.gettext("Identify yourself to a health service with your card"),
        Action.CONNECT: words.gettext("Connect to a health service with your card"),
        Action.READ_SITUATIONS: words.gettext("Read from your card where you work"),
        Action.USE_AUTHENTICATION_KEY: words.gettext("A program wants to identify itself as you"),
        Action.USE_SIGNATURE_KEY: words.gettext("A program wants to sign in your name what you cannot see"),
        Action.READ_PRIVATE_DATA: words.gettext("A program wants to read private data of your card"),
    }[request.action]


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


def _pad_sentence(request: PinRequest, words: NullTranslations) -> str:
    what = {
        PinKind.CHANGE: words.gettext("You will type your current code, then the new one twice, on the reader's keys."),
        PinKind.UNBLOCK: words.gettext("You will type the unblocking code, then the new code, on the reader's keys."),
    }.get(request.kind, words.gettext("You will type your code on the reader's keys, never on this computer."))
    return what + " " + words.gettext("Other programs wait for the reader while you type.")


def _tries_sentence(left: int | None, words: NullTranslations) -> str:
    if left is None:
        return words.gettext("The card does not tell how many tries are left.")
    return words.ngettext("%d try left.", "%d tries left.", left) % left


def _last_try_sentence(request: PinRequest, words: NullTranslations) -> str | None:
    if request.tries_left != 1:
        return None
    if request.kind is PinKind.UNBLOCK:
        return words.gettext("I understand that a wrong unblocking code makes the card unusable for good.")
    return words.gettext("I understand that a wrong code blocks the card.")


def _write_consent_page(request: ConfirmRequest, words: NullTranslations) -> Page:
    heading = (
        words.gettext("A site asks to use your CPS card")
        if request.asker.is_page
        else words.gettext("A program asks to use your CPS card")
    )
    card = () if request.card is None else write_card(request.card, words)
    sections = (write_asker(request.asker, words), write_abilities(request, words), card)
    return Page(
        title=words.gettext("CPS consent"),
        heading=heading,
        sections=tuple(filter(None, sections)),
        refuse=words.gettext("Refuse"),
        accept=words.gettext("Allow"),
        mark=None if request.card is None else _mark(request.card, words),
    )


def _write_choice_page(choice: CardChoice, words: NullTranslations) -> Page:
    heading = {
        Action.AUTHENTICATE: words.gettext("With which card do you log in?"),
        Action.SIGN: words.gettext("With which card do you sign?"),
        Action.SIGN_DIGESTS: words.gettext("With which card do you sign?"),
        Action.SIGN_BATCH: words.gettext("With which card do you sign?"),
        Action.SIGN_RAW: words.gettext("With which card do you sign?"),
        Action.CONNECT: words.gettext("With which card do you connect?"),
    }.get(choice.action, words.gettext("Which card is meant?"))
    return Page(
        title=words.gettext("CPS card"),
        heading=heading,
        sections=(write_asker(choice.asker, words),),
        refuse=words.gettext("Refuse"),
        accept=words.gettext("Use this card"),
        choices=tuple(_write_choice(card, words) for card in choice.cards),
    )


def _write_choice(card: CardSummary, words: NullTranslations) -> Choice:
    holder, mark = plain_text(card.holder, limit=80), _mark(card, words)
    details = [name_card(card, words)]
    if card.reader is not None:
        details.append(words.gettext("reader: {name}").format(name=plain_text(card.reader, limit=100)))
    return Choice(f"{holder} [{mark}]" if mark else holder, ", ".join(details))


def _write_notice_page(notice: Notice, words: NullTranslations) -> Page:
    if notice.kind is NoticeKind.TYPE_ON_READER:
        return _write_reader_notice(notice, words)
    if notice.kind is NoticeKind.CARD_PULLED:
        return _write_pulled_notice(notice, words)
    if notice.login is not None:
        return _write_number_notice(notice.login, words)
    return Page(
        title=words.gettext("CPS agent"),
        heading=words.gettext("The CPS agent runs without an icon"),
        refuse=words.gettext("Close"),
        advice=words.gettext(
            "This desktop shows no icons of programs in the background (GNOME needs its AppIndicator extension). "
            "Your card works all the same; `cps-agent status` shows its state."
        ),
    )


def _write_pulled_notice(notice: Notice, words: NullTranslations) -> Page:
    card, program = notice.card, plain_text(notice.program or "", limit=300)
    return Page(
        title=words.gettext("CPS card"),
        heading=words.gettext("Your card was removed"),
        sections=tuple(
            filter(
                None,
                (
                    (Fact(words.gettext("Program"), program),),
                    () if card is None else write_card(card, words),
                ),
            )
        ),
        refuse=words.gettext("Close"),
        mark=None if card is None else _mark(card, words),
        advice=words.gettext(
            "This program was using it to log you in. What you opened there may still be open: log out, or close it. "
            "To log in again, put the card back; the program need not be started again."
        ),
    )


def _write_number_notice(login: NumberSummary, words: NullTranslations) -> Page:
    """Show the number where it is read first: in the heading."""
    number, service = plain_text(login.number, limit=4), plain_text(login.service, limit=80)
    where = (
        words.gettext("Compare this number with the one on your phone: {number}")
        if login.on_phone
        else words.gettext("Compare this number with the one that {service} shows: {number}")
    )
    return Page(
        title=words.gettext("CPS login"),
        heading=where.format(number=number, service=service),
        sections=(
            write_asker(login.asker, words),
            (
                Fact(words.gettext("Log in to"), service),
                Fact(words.gettext("As"), plain_text(login.person, limit=32)),
            ),
        ),
        refuse=words.gettext("Hide"),
        advice=words.gettext(
            "Agree there only if you see this very number. If it is another one, or if you are not logging in, refuse."
        ),
    )


def _write_reader_notice(notice: Notice, words: NullTranslations) -> Page:
    card = notice.card
    return Page(
        title=words.gettext("CPS reader"),
        heading=words.gettext("Type your code on the reader"),
        sections=() if card is None else (write_card(card, words),),
        refuse=words.gettext("Hide"),
        mark=None if card is None else _mark(card, words),
        advice=words.gettext(
            "The reader is kept for this while you type. To give up, press the cancel key of the reader."
        ),
        tries=None if notice.tries_left is None else _tries_sentence(notice.tries_left, words),
    )
