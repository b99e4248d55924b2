"""What was found of a signature, as sentences in English and French; names in them come from certificates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from agent.api.rows import set_french
from agent.people.plain_text import plain_text
from agent.signing.verification.findings import Reason
from agent.signing.verification.messages import Judged

if TYPE_CHECKING:
    from agent.certificates.holder import Holder

LIMIT: Final = 120  # characters of a name
KEPT: Final = (
    "The document is as it was signed, but ",
    "Le document est tel qu'il a été signé, mais ",
)
"""How a sentence begins whose reason is about the signer alone."""

REASONS: Final[Mapping[Reason, tuple[str, str]]] = {
    Reason.ALTERED: (
        "The document is not the one that was signed: it was altered since.",
        "Le document n'est pas celui qui a été signé : il a été modifié depuis.",
    ),
    Reason.SIGNATURE_WRONG: (
        "The signature was not made with the key that it names, or was altered since.",
        "La signature n'a pas été faite avec la clé qu'elle désigne, ou a été modifiée depuis.",
    ),
    Reason.CERTIFICATE_ABSENT: (
        "Nobody can tell who signed: the signer's certificate is missing.",
        "On ne peut pas savoir qui a signé : le certificat du signataire manque.",
    ),
    Reason.CONTENT_ABSENT: (
        "The signature stands apart from what it signs: give that document too.",
        "La signature est séparée de ce qu'elle signe : fournissez aussi ce document.",
    ),
    Reason.NOT_COVERED: (
        "The signature does not cover the whole document: what a reader sees may not be what was signed.",
        "La signature ne couvre pas tout le document : ce qui est affiché n'est peut-être pas ce qui a été signé.",
    ),
    Reason.ALGORITHM_REFUSED: (
        "The signature uses an algorithm or a key that is not safe any more, or is not known.",
        "La signature emploie un algorithme ou une clé qui n'est plus sûr, ou qui n'est pas connu.",
    ),
    Reason.MALFORMED: (
        "The signature is damaged, or not made as its format demands.",
        "La signature est abîmée, ou n'est pas faite comme son format le demande.",
    ),
    Reason.ISSUER_UNKNOWN: (
        "no authority that is trusted here issued the signer's certificate.",
        "aucune autorité reconnue ici n'a délivré le certificat du signataire.",
    ),
    Reason.KEY_USAGE: (
        "the signer's certificate is not for signing documents: it may be one to log in with.",
        "le certificat du signataire ne sert pas à signer des documents : il sert peut-être à s'authentifier.",
    ),
    Reason.EXPIRED: (
        "the signer's certificate was not valid then, and no time-stamp proves that the signature is older.",
        "le certificat du signataire n'était pas valable alors, et rien ne prouve que la signature est plus ancienne.",
    ),
    Reason.REVOKED: (
        "the signer's certificate was revoked, and nothing proves that the signature is older.",
        "le certificat du signataire a été révoqué, et rien ne prouve que la signature est plus ancienne.",
    ),
    Reason.REVOCATION_UNKNOWN: (
        "it is not known whether the signer's certificate was revoked. Try again when the network is there.",
        "on ne sait pas si le certificat du signataire a été révoqué. Réessayez quand le réseau répondra.",
    ),
}
ABOUT_SIGNER: Final = frozenset(
    {Reason.ISSUER_UNKNOWN, Reason.KEY_USAGE, Reason.EXPIRED, Reason.REVOKED, Reason.REVOCATION_UNKNOWN}
)

DOCUMENTS: Final[Mapping[str, tuple[str, str]]] = {
    "no-signature": (
        "There is no signature in this document.",
        "Ce document ne contient pas de signature.",
    ),
    "unreadable": (
        "This document cannot be read: it is damaged, or holds what is never read from a stranger's file.",
        "Ce document ne peut pas être lu : il est abîmé, ou contient ce qui n'est jamais lu dans un fichier étranger.",
    ),
}


@dataclass(frozen=True, slots=True)
class Sentences:
    """The same in English and French."""

    english: str
    french: str

    @classmethod
    def of(cls, pair: tuple[str, str]) -> Sentences:
        """With the spaces of French typography."""
        return cls(pair[0], set_french(pair[1]).replace("'", "\N{RIGHT SINGLE QUOTATION MARK}"))


def describe_document(reason: str) -> Sentences:
    """Why a document shows no signature."""
    return Sentences.of(DOCUMENTS[reason])


def describe(judged: Judged, holder: Holder | None, authority: str | None) -> Sentences:
    """Whether it holds, who signed and when; `authority`: the name of who vouches for the moment."""
    if judged.reason is None:
        return Sentences.of(_valid(judged, holder, authority))
    english, french = REASONS[judged.reason]
    if judged.reason in ABOUT_SIGNER:
        return Sentences.of((KEPT[0] + english, KEPT[1] + french))
    return Sentences.of((english, french))


def _valid(judged: Judged, holder: Holder | None, authority: str | None) -> tuple[str, str]:
    english, french = _who(judged, holder)
    when = _when(judged, authority)
    return f"Valid: signed by {english}{when[0]}.", f"Signature valable : signé par {french}{when[1]}."


def _who(judged: Judged, holder: Holder | None) -> tuple[str, str]:
    if holder is None:
        return "somebody without a name", "quelqu'un sans nom"
    profession = holder.profession.label if holder.profession else None
    if profession == holder.title:
        profession = None  # the name begins with it
    structure = holder.structure.display_name if holder.structure else None
    named = ", ".join(
        plain_text(part, LIMIT) for part in dict.fromkeys((holder.display_name, profession, structure)) if part
    )
    is_test = judged.is_test or holder.test
    kind = holder.kind or ""
    english = " ".join(filter(None, (kind, "test card" if is_test else "")))
    french = " ".join(filter(None, (kind, "de test" if is_test else "")))
    return _in_brackets(named, english), _in_brackets(named, french)


def _in_brackets(text: str, note: str) -> str:
    return f"{text} ({note})" if note else text


def _when(judged: Judged, authority: str | None) -> tuple[str, str]:
    if judged.proven_at is not None:
        by = plain_text(authority or "", LIMIT)
        english, french = _write(judged.proven_at)
        return f", before {english} as {by} vouches", f", avant le {french} selon l'horodatage de {by}"
    if judged.claimed_at is not None:
        english, french = _write(judged.claimed_at)
        return f", on {english} by the signer's own clock", f", le {french} d'après l'horloge du signataire"
    return "", ""


def _write(moment: datetime) -> tuple[str, str]:
    local = moment.astimezone()
    return f"{local:%Y-%m-%d at %H:%M}", f"{local:%d/%m/%Y à %H:%M}"
