"""The facts of a question: who asks, what for, with which card. Text from outside is made plain here."""

from __future__ import annotations

from datetime import datetime
from gettext import NullTranslations

from agent.people.assertion_words import write_assertion
from agent.people.page import Fact, Section
from agent.people.plain_text import display_asker, display_origin, plain_text
from agent.people.prompt import (
    ABILITIES,
    Action,
    Asker,
    CardSummary,
    CertificateSummary,
    ConfirmRequest,
    PinRequest,
    StatementSummary,
)
from agent.people.translations import write_date
from agent.people.wire import MAX_SUBJECTS, SUBJECT_LIMIT

KEY_ACTIONS = frozenset({Action.USE_AUTHENTICATION_KEY, Action.USE_SIGNATURE_KEY})


def write_asker(asker: Asker, words: NullTranslations) -> Section:
    """Say who asks, and through which program a page does."""
    label = words.gettext("Site asking") if asker.is_page else words.gettext("Program asking")
    facts = [Fact(label, display_asker(asker.caller, is_page=asker.is_page))]
    if asker.through is not None and asker.through != asker.caller:
        facts.append(Fact(words.gettext("Through"), plain_text(asker.through, limit=300)))
    if asker.owner is not None:
        facts.append(Fact(words.gettext("Run by"), plain_text(asker.owner, limit=80)))
    return tuple(facts)


def write_purpose(request: PinRequest, words: NullTranslations) -> Section:
    """Say what the code will be used for, and which certificate will sign."""
    if request.action in KEY_ACTIONS:
        return _write_key_use(request, words)
    if request.assertion is not None:
        return (*write_assertion(request.assertion, words), *_write_certificate_of(request, words))
    use = _write_use(request, words)
    facts = [] if use is None else [use]
    facts += _write_seeing(request, words)
    if request.format is not None:
        facts.append(Fact(words.gettext("Format"), plain_text(request.format, limit=60)))
    facts += _write_statement(request.statement, words)
    facts += _write_stay(request, words)
    return (*facts, *_write_certificate_of(request, words))


def _write_certificate_of(request: PinRequest, words: NullTranslations) -> Section:
    return () if request.certificate is None else _write_certificate(request.certificate, words)


def _write_statement(statement: StatementSummary | None, words: NullTranslations) -> Section:
    """Say what else is signed in the person's name."""
    if statement is None:
        return ()
    said = {
        words.gettext("Signing as"): statement.role,
        words.gettext("Signature policy"): statement.policy,
        words.gettext("Reason given"): statement.reason,
        words.gettext("Place"): statement.place,
    }
    return tuple(Fact(label, plain_text(text, limit=255)) for label, text in said.items() if text is not None)


def _write_stay(request: PinRequest, words: NullTranslations) -> Section:
    """Say how long what is opened goes on without another question."""
    minutes = request.stays_minutes
    if minutes is None:
        return ()
    text = words.ngettext("%d minute at most", "%d minutes at most", minutes) % minutes
    if not request.card.is_software:
        text = words.gettext("{time}, or until the card leaves").format(time=text)
    return (Fact(words.gettext("Stays open for"), text),)


def _write_seeing(request: PinRequest, words: NullTranslations) -> Section:
    """Say of which documents nothing but a hash was seen."""
    if request.action is Action.SIGN_DIGESTS or request.unseen == (request.subject_count or len(request.subjects)):
        text = words.gettext("not seen here: the caller made the hashes itself")
    elif request.unseen:
        text = (
            words.ngettext(
                "%d of them not seen here: the caller made its hash itself",
                "%d of them not seen here: the caller made their hashes itself",
                request.unseen,
            )
            % request.unseen
        )
    else:
        return ()
    return (Fact(words.gettext("Content"), text),)


def _write_use(request: PinRequest, words: NullTranslations) -> Fact | None:
    if request.on_behalf_of is not None:
        return Fact(words.gettext("Log in as you to"), display_origin(request.on_behalf_of))
    if request.action is Action.AUTHENTICATE:
        site = request.subjects[0] if request.subjects else None
        return Fact(words.gettext("Log you in to"), display_origin(site)) if site else None
    if request.action is Action.CONNECT:
        return _write_services(request, words)
    if request.action in (Action.SIGN, Action.SIGN_DIGESTS, Action.SIGN_BATCH, Action.SIGN_RAW):
        return _write_documents(request, words)
    return _write_reading(request, words)


def _write_services(request: PinRequest, words: NullTranslations) -> Fact:
    """Name the service by its title and its host: a file of the machine's administrator lists both."""
    names = [plain_text(name, SUBJECT_LIMIT) for name in request.subjects]
    return Fact(words.gettext("Connect you to"), names[0] if names else "", tuple(names[1:]))


def _write_reading(request: PinRequest, words: NullTranslations) -> Fact | None:
    if request.action is Action.READ_SITUATIONS:
        return Fact(words.gettext("To read"), words.gettext("your activity situations: structures and sectors"))
    if request.action is Action.READ_PRIVATE_DATA:
        return Fact(words.gettext("To read"), plain_text(request.key or "", SUBJECT_LIMIT))
    return None


def _write_key_use(request: PinRequest, words: NullTranslations) -> Section:
    """Say how far it goes: of what is signed by PKCS#11 only a hash is seen here."""
    count = len(request.subjects)
    purpose = (
        words.gettext("may log you in to a site or service (TLS), or sign anything else: the agent cannot see what")
        if request.for_login
        else words.gettext("may sign anything: the agent cannot see what")
    )
    return (
        Fact(words.gettext("To make"), words.ngettext("%d signature", "%d signatures", count) % count),
        Fact(words.gettext("Purpose"), purpose),
        write_key(request.action, request.key or "", words),
    )


def _write_documents(request: PinRequest, words: NullTranslations) -> Fact:
    """Say how many there are and how large they are together, then name each with its size."""
    count = len(request.subjects) if request.subject_count is None else request.subject_count
    if request.action is not Action.SIGN_RAW:
        text = words.ngettext("%d document", "%d documents", count) % count
    else:
        text = words.ngettext("%d value", "%d values", count) % count
    if count > 1 and len(request.sizes) == count:
        total = write_size(sum(request.sizes), words)
        text = words.gettext("{count}, {size} in all").format(count=text, size=total)
    names = [plain_text(name, SUBJECT_LIMIT) for name in request.subjects[:MAX_SUBJECTS]]
    sizes = tuple(write_size(size, words) for size in request.sizes[: len(names)])
    if names and count > len(names):
        left = count - len(names)
        names.append(words.ngettext("and %d other", "and %d others", left) % left)
    return Fact(words.gettext("To sign"), text, tuple(names), sizes)


def write_key(use: str, label: str, words: NullTranslations) -> Fact:
    """Name a key by what it is for, and by its own label."""
    name = words.gettext("signature key") if use == Action.USE_SIGNATURE_KEY else words.gettext("authentication key")
    return Fact(words.gettext("Key"), f"{name} ({plain_text(label, limit=60)})")


def write_size(size: int, words: NullTranslations) -> str:
    """Give a number of bytes as file managers do, in thousands."""
    if size < 1000:
        return words.ngettext("%d byte", "%d bytes", size) % size
    if size < 999_500:
        return words.gettext("%d kB") % round(size / 1000)
    whole, tenth = divmod(round(size / 100_000), 10)
    return words.gettext("{whole}.{tenth} MB").format(whole=whole, tenth=tenth)


def _write_certificate(certificate: CertificateSummary, words: NullTranslations) -> Section:
    return (
        Fact(words.gettext("Certificate issued by"), plain_text(certificate.issuer, limit=120)),
        Fact(words.gettext("Valid until"), write_date(certificate.expires_at, words)),
    )


def write_card(card: CardSummary, words: NullTranslations) -> Section:
    """Say whose card it is, which one, and where it is when that was told."""
    if card.is_software:
        return (
            Fact(words.gettext("Certificate of"), plain_text(card.holder, limit=80)),
            Fact(words.gettext("Certificate"), name_card(card, words)),
        )
    facts = [
        Fact(words.gettext("Card holder"), plain_text(card.holder, limit=80)),
        Fact(words.gettext("Card"), name_card(card, words)),
    ]
    if card.reader is not None:
        facts.append(Fact(words.gettext("Reader"), plain_text(card.reader, limit=100)))
    return tuple(facts)


def name_card(card: CardSummary, words: NullTranslations) -> str:
    """Give the kind and the number."""
    kind, number = plain_text(card.kind, limit=20), plain_text(card.number, limit=40)
    if card.is_software:
        return words.gettext("software certificate no. {number}").format(number=number)
    return words.gettext("{kind} no. {number}").format(kind=kind, number=number)


def write_abilities(request: ConfirmRequest, words: NullTranslations) -> Section:
    """Say what the caller could do, and for how long."""
    sentences = {
        "identity": words.gettext("read your identity on the card: name, RPPS number, profession, places of work"),
        "authenticate": words.gettext("log you in with your card or certificate; your code or consent is asked for"),
        "sign": words.gettext("have documents signed in your name; your code or consent is asked for"),
        "sign-raw": words.gettext(
            "have data signed in your name that cannot be shown to you; your code or consent is asked for"
        ),
        "batch": words.gettext("have several documents signed with one code"),
        "gateway": words.gettext("call health services in your name with your card"),
        "events": words.gettext("know when a card is inserted or removed"),
        "use-authentication-key": words.gettext(
            "log in as you to any site or service, and sign anything else with your authentication key, as long as you "
            "give your code or consent; the agent cannot see what is signed"
        ),
        "use-signature-key": words.gettext(
            "sign anything in your name with your signature key: it may sign any document that you have not seen; "
            "your code or consent is asked for each time"
        ),
        "read-private-data": words.gettext("read the private data of your card; your code is asked for"),
    }
    asked = frozenset(request.abilities)  # in our order, whatever the caller's
    could = tuple(sentences[ability] for ability in ABILITIES if ability in asked)
    key = () if request.key is None else (write_key(request.abilities[0], request.key, words),)
    return (
        Fact(words.gettext("It could"), "", could),
        *key,
        Fact(words.gettext("For how long"), _write_duration(request.until, words, remembered=request.remembered)),
    )


def _write_duration(until: datetime | None, words: NullTranslations, *, remembered: bool) -> str:
    if until is not None:
        time = until.astimezone().strftime("%H:%M")
        return words.gettext("until {date} at {time}").format(date=write_date(until, words), time=time)
    if remembered:
        return words.gettext("until you take it back in the agent's menu")
    return words.gettext("this time only")
