"""What questions about software certificates say: their use, and what is done to those that are kept here."""

from __future__ import annotations

from gettext import NullTranslations

from agent.people.facts import write_asker
from agent.people.page import CodeField, Fact, Page, Section
from agent.people.plain_text import plain_text
from agent.people.prompt import (
    PASSPHRASE_LENGTHS,
    Action,
    Deed,
    DeedRequest,
    KeptCertificate,
    PinKind,
    PinRequest,
)
from agent.people.translations import write_date

MAX_CERTIFICATES = 20


def write_software_page(request: PinRequest, sections: tuple[Section, ...], words: NullTranslations) -> Page:
    """Ask for the passphrase of a certificate's key, or for a yes where the key needs none."""
    return Page(
        title=words.gettext("CPS certificate"),
        heading=_use_heading(request, words),
        sections=sections,
        refuse=words.gettext("Refuse"),
        accept=words.gettext("Confirm"),
        mark=_mark(words) if request.card.test else None,
        advice=_no_code_sentence(words) if request.no_code else None,
        fields=() if request.no_code else _use_fields(request, words),
        session=None if request.no_code else session_sentence(request, words),
    )


def _mark(words: NullTranslations) -> str:
    return words.gettext("TEST CERTIFICATE")


def _use_heading(request: PinRequest, words: NullTranslations) -> str:
    if request.on_behalf_of is not None:
        return words.gettext("A program wants to log in to a site with your certificate")
    return {
        Action.AUTHENTICATE: words.gettext("Log in with your certificate"),
        Action.SIGN: words.gettext("Sign with your certificate"),
        Action.SIGN_DIGESTS: words.gettext("Sign with your certificate documents that the agent has not seen"),
        Action.SIGN_BATCH: words.gettext("Sign a batch of documents with your certificate, with one consent"),
        Action.SIGN_RAW: words.gettext("Sign data that cannot be shown to you"),
        Action.ASSERT: words.gettext("Vouch for a professional with your certificate"),
        Action.CONNECT: words.gettext("Connect to a health service with your certificate"),
        Action.VERIFY_PIN: words.gettext("Check the passphrase of your certificate"),
        Action.CHANGE_PIN: words.gettext("Choose a new passphrase for your certificate"),
        Action.UNBLOCK_PIN: words.gettext("Unblock your certificate"),
    }[request.action]


def _no_code_sentence(words: NullTranslations) -> str:
    return words.gettext(
        "This workstation keeps the key of this certificate unlocked for you: no passphrase is asked. Confirm only "
        "what you have just asked for."
    )


def _use_fields(request: PinRequest, words: NullTranslations) -> tuple[CodeField, ...]:
    if request.kind is PinKind.CHANGE:
        return (_field(words.gettext("Current passphrase")), *_new_fields(words))
    return (_field(words.gettext("Passphrase")),)


def _field(label: str, advice: str = "") -> CodeField:
    return CodeField(label, *PASSPHRASE_LENGTHS, passphrase=True, advice=advice)


def _new_fields(words: NullTranslations) -> tuple[CodeField, CodeField]:
    advice = words.gettext("8 characters or more")
    return _field(words.gettext("New passphrase"), advice), _field(words.gettext("New passphrase again"))


def session_sentence(request: PinRequest, words: NullTranslations) -> str | None:
    """Put what may be ticked to be asked less often; None when nothing is offered."""
    minutes, uses = request.session_minutes, request.session_uses
    if minutes is None or request.wants_new_code:
        return None
    limits = words.ngettext("%d minute", "%d minutes", minutes) % minutes
    if uses is not None:
        most = words.ngettext("%d use", "%d uses", uses) % uses
        limits = words.gettext("{minutes} and {uses} at most").format(minutes=limits, uses=most)
    if request.card.is_software:
        sentence = words.gettext("Do not ask me again for {limits}, for this requester and this certificate.")
    else:
        sentence = words.gettext("Do not ask me again for {limits}, for this requester and this card.")
    return sentence.format(limits=limits)


def write_deed_page(request: DeedRequest, words: NullTranslations) -> Page:
    """Ask for leave to change what is kept here, and for the passphrase that it takes."""
    is_mail = request.deed is Deed.MAIL_PASSWORD
    return Page(
        title=words.gettext("MSSanté mailbox") if is_mail else words.gettext("CPS certificate"),
        heading=_deed_heading(request, words),
        sections=_write_sections(request, words),
        refuse=words.gettext("Refuse"),
        accept=words.gettext("Confirm"),
        mark=_mark(words) if request.test else None,
        advice=_deed_advice(request, words),
        fields=_deed_fields(request, words),
        tries=words.gettext("This passphrase does not open the file.") if request.wrong else None,
    )


def _deed_heading(request: DeedRequest, words: NullTranslations) -> str:
    if request.opens:
        return words.gettext("Passphrase of a certificate file")
    return {
        Deed.IMPORT: words.gettext("Keep a certificate and its key on this workstation"),
        Deed.REMOVE: words.gettext("Remove a certificate and its key from this workstation"),
        Deed.ORDER: words.gettext("Make a key to order a certificate"),
        Deed.DELIVER: words.gettext("Take in a certificate that was ordered"),
        Deed.CANCEL_ORDER: words.gettext("Give up the order of a certificate"),
        Deed.MAIL_PASSWORD: words.gettext("Make a password that opens your mailbox to a mail program"),
    }[request.deed]


def _write_sections(request: DeedRequest, words: NullTranslations) -> tuple[Section, ...]:
    shown = request.certificates[:MAX_CERTIFICATES]
    certificates = [_write_certificate(certificate, words) for certificate in shown]
    if left := len(request.certificates) - len(shown):
        more = words.ngettext("and %d other", "and %d others", left) % left
        certificates.append((Fact(words.gettext("Certificate"), more),))
    sections = (write_asker(request.asker, words), _write_subject(request, words), *certificates)
    return tuple(section for section in sections if section)


def _write_subject(request: DeedRequest, words: NullTranslations) -> Section:
    if not request.subject:
        return ()
    labels = {
        Deed.IMPORT: words.gettext("File"),
        Deed.DELIVER: words.gettext("File"),
        Deed.MAIL_PASSWORD: words.gettext("Mailbox"),
    }
    label = labels.get(request.deed, words.gettext("Order"))
    return (Fact(label, plain_text(request.subject, limit=120)),)


def _write_certificate(certificate: KeptCertificate, words: NullTranslations) -> Section:
    rootless = (Fact(words.gettext("Authority"), words.gettext("leads to no root known here")),)
    return (
        Fact(name_role(certificate.role, words), plain_text(certificate.holder, limit=120)),
        Fact(words.gettext("Certificate issued by"), plain_text(certificate.issuer, limit=120)),
        *(rootless if certificate.is_rootless else ()),
        Fact(words.gettext("Valid until"), write_date(certificate.expires_at, words)),
    )


def name_role(role: str | None, words: NullTranslations) -> str:
    """What a certificate is for, in words."""
    return {
        "AUTH_CLI": words.gettext("Authentication"),
        "SIGN": words.gettext("Signature"),
        "CONF": words.gettext("Encryption"),
        "SSL_SERV": words.gettext("Server"),
        "S/MIME": words.gettext("Mail"),
    }.get(role or "", words.gettext("Certificate"))


def _deed_advice(request: DeedRequest, words: NullTranslations) -> str | None:
    if request.protects:
        return words.gettext(
            "Choose the passphrase that will protect the key here. It is asked at each use, and nobody can find it "
            "again for you."
        )
    if request.opens:
        return None
    return {
        Deed.IMPORT: words.gettext("The key will be encrypted, and this workstation's key store keeps what opens it."),
        Deed.REMOVE: words.gettext("The key is deleted for good: without a copy elsewhere, order a new certificate."),
        Deed.CANCEL_ORDER: words.gettext(
            "The key is deleted: a certificate delivered for this order is of no use then."
        ),
        Deed.MAIL_PASSWORD: words.gettext(
            "The program learns the password: it can read and send mail in your name on this workstation whenever you "
            "are logged in for the mailbox. The password made before opens nothing any more."
        ),
    }.get(request.deed)


def _deed_fields(request: DeedRequest, words: NullTranslations) -> tuple[CodeField, ...]:
    if request.opens:
        return (_field(words.gettext("Passphrase of the file")),)
    return _new_fields(words) if request.protects else ()
