"""Why a mailbox is not opened. Each has its sentences here: a mail program shows them, and the API does."""

from __future__ import annotations

import re
from typing import ClassVar


class MailError(Exception):
    """The mailbox stays closed. `imap`: a code of RFC 5530; `smtp`: codes of RFC 4954 §6.

    Whatever may be over in a minute is not called a wrong password: mail programs would forget the right one.
    """

    code: ClassVar[str] = "mail-failed"
    imap: ClassVar[str] = "UNAVAILABLE"
    smtp: ClassVar[str] = "454 4.7.0"
    text: ClassVar[str] = "The mailbox cannot be opened now. Try again later."
    text_fr: ClassVar[str] = "La boîte aux lettres ne peut pas être ouverte maintenant. Réessayez plus tard."

    @property
    def line(self) -> str:
        """Both sentences in the letters that mail protocols have before a login (RFC 3501 §9, RFC 5321 §4.2)."""
        return f"{to_ascii(self.text_fr)} / {to_ascii(self.text)}"


class BridgePortError(Exception):
    """A port of the bridge is another program's."""


class MailboxUnknownError(MailError):
    """The catalog has no such mailbox."""

    code = "mailbox-unknown"
    text = "No such mailbox is set up on this workstation. See `cps-agent mail status`."
    text_fr = "Aucune boîte aux lettres de ce nom n'est réglée sur ce poste. Voyez « cps-agent mail status »."


class PasswordRefusedError(MailError):
    """Name and password belong to no mailbox."""

    code = "mail-password-wrong"
    imap = "AUTHENTICATIONFAILED"
    smtp = "535 5.7.8"
    text = "Wrong name or password of the mailbox. `cps-agent mail password` makes a new password."
    text_fr = "Nom ou mot de passe de la boîte aux lettres incorrect. « cps-agent mail password » en fait un nouveau."


class LoginNeededError(MailError):
    """Nobody is logged in to Pro Santé Connect for this mailbox, or not any more."""

    code = "mail-login-needed"
    text = "Your session of Pro Santé Connect is closed. Log in with `cps-agent mail login`, then try again."
    text_fr = "Votre session Pro Santé Connect est fermée. Connectez-vous par « cps-agent mail login », puis réessayez."


class TokenNotRefreshedError(MailError):
    """The session stands, but a fresh token could not be had now."""

    code = "mail-token-not-refreshed"
    text = "Pro Santé Connect gives no fresh token now. Check the network of this workstation, then try again."
    text_fr = "Pro Santé Connect ne renouvelle pas votre connexion. Vérifiez le réseau de ce poste, puis réessayez."


class OtherPersonError(MailError):
    """Somebody else than the mailbox's holder is logged in. Nothing was sent to the mail server."""

    code = "mail-other-person"
    imap = "AUTHORIZATIONFAILED"
    text = "Another professional is logged in: this mailbox opens for its own holder alone."
    text_fr = "Un autre professionnel est connecté : cette boîte aux lettres ne s'ouvre que pour son titulaire."


class TokenRejectedError(MailError):
    """The mail server did not take a token that was fresh."""

    code = "mail-token-rejected"
    text = "The mail server refuses your login of Pro Santé Connect. Log in again, or ask your mailbox's operator."
    text_fr = (
        "Le serveur de messagerie refuse votre connexion Pro Santé Connect. Reconnectez-vous, ou adressez-vous à "
        "l'opérateur de votre messagerie."
    )


class MailServerError(MailError):
    """The mail server cannot be reached, or says what no mail server says; the message tells more."""

    code = "mail-server-unreachable"
    text = "The mail server does not answer. Check the network of this workstation, then try again."
    text_fr = "Le serveur de messagerie ne répond pas. Vérifiez le réseau de ce poste, puis réessayez."


class MailServerCertificateError(MailError):
    """The certificate of the mail server does not hold. No token was sent."""

    code = "mail-server-certificate"
    text = "The mail server could not prove its identity (certificate). Nothing was sent to it."
    text_fr = "Le serveur de messagerie n'a pas prouvé son identité (certificat). Rien ne lui a été envoyé."


class TooManyConnectionsError(MailError):
    """More lines than mail programs of one person need."""

    code = "mail-too-many-connections"
    imap = "LIMIT"
    text = "Too many connections to mailboxes are open. Close a mail program, then try again."
    text_fr = (
        "Trop de connexions aux boîtes aux lettres sont ouvertes. Fermez un logiciel de messagerie, puis réessayez."
    )


def to_ascii(sentence: str) -> str:
    """The sentence in the letters of ASCII, accents left away."""
    import unicodedata  # noqa: PLC0415 - where mail programs are told something

    quoted = re.sub(r"«\s*|\s*»", '"', sentence).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return unicodedata.normalize("NFKD", quoted).encode("ascii", "ignore").decode()
