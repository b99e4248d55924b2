"""What refusals about documents and signatures look like: rows of the table in `problems`, by class."""

from __future__ import annotations

from typing import Any, Final

from agent.api.rows import Problem
from agent.signing import errors

ROWS: Final[dict[type[BaseException], Problem]] = {
    errors.TermsRefusedError: Problem(
        400, "bad-request", "call", "Not in this format",
        "The call asks for something that this format does not have.",
        "L'appel demande quelque chose que ce format n'a pas.",
    ),
    errors.DocumentRefusedError: Problem(
        422, "document-refused", "document", "Document refused",
        "This document cannot be signed like that: it is damaged, protected, or not of the kind that the format signs. "
        "Nothing was signed.",
        "Ce document ne peut pas être signé ainsi : il est abîmé, protégé, ou n'est pas du type que ce format signe. "
        "Rien n'a été signé.",
    ),
    errors.EnvelopeRefusedError: Problem(
        422, "envelope-refused", "document", "No place for an assertion",
        "This SOAP message cannot take an assertion: `hint` says why (SOAP 1.1, an assertion in it already, two "
        "Security headers, a signature over the whole header). Nothing was signed, and nothing was sent.",
        "Ce message SOAP ne peut pas recevoir d'assertion : « hint » dit pourquoi (SOAP 1.1, assertion déjà présente, "
        "deux en-têtes Security, signature de tout l'en-tête). Rien n'a été signé, ni envoyé.",
    ),
    errors.TimeStampUnsetError: Problem(
        422, "timestamp-unset", "time-stamp", "No time-stamp authority",
        "This level needs a time-stamp and no authority is set for it. Set timestamp_url, or sign at level B.",
        "Ce niveau demande un horodatage et aucune autorité n'est réglée. Renseignez timestamp_url, ou signez au "
        "niveau B.",
    ),
    errors.TimeStampError: Problem(
        502, "timestamp-failed", "time-stamp", "Time-stamp failed",
        "The time-stamp authority did not answer with a time-stamp that holds. Try again later, or sign at level B.",
        "L'autorité d'horodatage n'a pas rendu d'horodatage valable. Réessayez plus tard, ou signez au niveau B.",
    ),
    errors.EvidenceError: Problem(
        502, "evidence-missing", "certificate", "Evidence missing",
        "This level needs proof that no certificate is revoked, and it cannot be had now. Try again later, or sign at "
        "level T.",
        "Ce niveau demande la preuve qu'aucun certificat n'est révoqué, et elle ne peut être obtenue maintenant. "
        "Réessayez plus tard, ou signez au niveau T.",
    ),
    errors.RevokedError: Problem(
        422, "certificate-revoked", "certificate", "Certificate of the signature revoked",
        "A certificate that this signature rests on is revoked: the signer's, that of an authority, or that of the "
        "time-stamp authority. Nothing was signed.",
        "Un certificat sur lequel repose cette signature est révoqué : celui du signataire, d'une autorité, ou de "
        "l'autorité d'horodatage. Rien n'a été signé.",
    ),
    errors.StructureRefusedError: Problem(
        422, "structure-refused", "card", "Structure not on the card",
        "The card does not tell this structure, or tells several: `structures` has them for who may read the identity. "
        "Name one of these, and its sector where they differ in that alone.",
        "La carte ne donne pas cette structure, ou en donne plusieurs : « structures » les énumère à qui peut lire "
        "l'identité. Nommez l'une d'elles, et son secteur si elles ne diffèrent que par lui.",
    ),
    errors.WorkshopError: Problem(
        500, "signing-failed", "agent", "Signing failed",
        "The part of the agent that writes signatures stopped on this. Nothing was signed; try again, and report it if "
        "it comes back.",
        "La partie de l'agent qui écrit les signatures s'est arrêtée. Rien n'a été signé ; réessayez, et signalez-le "
        "si cela se répète.",
    ),
}  # fmt: skip


def members(error: errors.SigningError) -> dict[str, Any]:
    """What a refusal adds to its row: the developer's hint, and the document at fault."""
    told: dict[str, Any] = {"hint": str(error)[:500]}
    if error.document is not None:
        told["document"] = error.document
    if isinstance(error, errors.StructureRefusedError) and error.places:
        told["structures"] = [{"id": each.id, "name": each.name, "sector": each.sector} for each in error.places]
    return told
