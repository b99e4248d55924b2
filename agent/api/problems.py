"""The one table from errors to problem documents (RFC 9457): status, stable code, layer, sentences in two languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any, Final

from agent.access import errors as access
from agent.api import batch_problems, foreign_cards, signing_problems, software_problems
from agent.api.rows import Problem
from agent.cards import errors as cards
from agent.people import prompt
from agent.signing.batch_errors import BatchError
from agent.signing.errors import SigningError, VerifierBusyError
from drivers import errors as drivers


class CallError(Exception):
    """The call itself is wrong; the message says what, in English, for a developer."""

    code = "bad-request"


class BodyTooLargeError(CallError):
    """The body is over the cap of its route."""

    code = "body-too-large"


class UnsupportedMediaError(CallError):
    """The body is not of a media type that the route takes."""

    code = "unsupported-media"


class RouteNotFoundError(CallError):
    """There is no such route."""

    code = "not-found"


class MethodNotAllowedError(CallError):
    """The route exists, with other methods."""

    code = "bad-request"


def find_problem(error: BaseException) -> Problem:
    """The row of the nearest class; what no row foresees is `internal-error`, which tells the caller nothing."""
    row = next(filter(None, map(_find_row, type(error).__mro__)), INTERNAL)
    if isinstance(error, drivers.NotCpsError):
        detail, detail_fr = foreign_cards.sentences(error)
        return replace(row, detail=detail, detail_fr=detail_fr)
    return row


def _find_row(kind: type[BaseException]) -> Problem | None:
    if kind in TABLE or not _is_of_services(kind):
        return TABLE.get(kind)
    rows: Mapping[type[BaseException], Problem] = _load_services().ROWS
    return rows.get(kind)


def _is_of_services(kind: type) -> bool:
    return kind.__module__.startswith(SERVICES)


def _load_services() -> ModuleType:
    from agent.api import service_problems  # noqa: PLC0415 - with the first refusal of a health service

    return service_problems


def whole_table() -> dict[type[BaseException], Problem]:
    """Every row there is."""
    return {**TABLE, **_load_services().ROWS}


def describe_problem(error: BaseException) -> dict[str, Any]:
    """Its problem document: the row, with what this error adds, such as a developer's hint or the tries left."""
    document = find_problem(error).to_json()
    if isinstance(error, CallError | access.AccessError | cards.CardUseError | BatchError) and str(error):
        document["hint"] = str(error)[:500]
    if any(map(_is_of_services, type(error).__mro__)):
        document |= _load_services().members(error)
    if isinstance(error, SigningError):
        document |= signing_problems.members(error)
    if isinstance(error, drivers.PinError) and error.tries_left is not None:
        document["triesLeft"] = error.tries_left
    if isinstance(error, drivers.NotCpsError):
        document["card"] = foreign_cards.word(error)
    if isinstance(error, access.GrantRequiredError):
        document["ability"] = error.ability
    return document


SERVICES: Final = ("agent.services.", "agent.patients")
"""Where the errors of the health services are defined."""

INTERNAL = Problem(
    500, "internal-error", "agent", "Internal error",
    "The agent failed; nothing was signed. Try again, and report it if it comes back.",
    "L'agent a rencontré une erreur ; rien n'a été signé. Réessayez, et signalez-la si elle se répète.",
)  # fmt: skip

TABLE: dict[type[BaseException], Problem] = {
    # pcsc
    drivers.ServiceStoppedError: Problem(
        503, "service-stopped", "pcsc", "Smart card service stopped",
        "The smart card service of this workstation is not running. Start it (Linux: pcscd), then try again.",
        "Le service de cartes à puce du poste n'est pas démarré. Démarrez-le (Linux : pcscd), puis réessayez.",
    ),
    # reader
    drivers.ReaderAbsentError: Problem(
        503, "reader-absent", "reader", "No card reader",
        "No card reader is connected. Plug one in, then try again.",
        "Aucun lecteur de carte n'est branché. Branchez-en un, puis réessayez.",
    ),
    drivers.ReaderRemovedError: Problem(
        503, "reader-removed", "reader", "Card reader removed",
        "The card reader was unplugged during the operation. Plug it in again, then try again.",
        "Le lecteur a été débranché pendant l'opération. Rebranchez-le, puis réessayez.",
    ),
    # card
    drivers.CardAbsentError: Problem(
        409, "card-absent", "card", "No card",
        "No card is in the reader. Insert the CPS card, then try again.",
        "Aucune carte n'est dans le lecteur. Insérez la carte CPS, puis réessayez.",
    ),
    cards.CardNotFoundError: Problem(
        409, "card-absent", "card", "No such card",
        "The card that was asked for is in no reader. Insert it, then try again.",
        "La carte demandée n'est dans aucun lecteur. Insérez-la, puis réessayez.",
    ),
    drivers.CardRemovedError: Problem(
        409, "card-removed", "card", "Card removed",
        "The card was removed or exchanged during the operation. Insert it again, then try again.",
        "La carte a été retirée ou échangée pendant l'opération. Réinsérez-la, puis réessayez.",
    ),
    drivers.CardMuteError: Problem(
        409, "card-mute", "card", "Card does not answer",
        "The card does not answer. Check that it is the right way round (chip up, on most readers, and first into the "
        "slot) and that its chip is clean, then insert it again. If it stays mute, have it replaced.",
        "La carte ne répond pas. Vérifiez qu'elle est dans le bon sens (puce vers le haut sur la plupart des lecteurs, "
        "et côté fente) et que sa puce est propre, puis réinsérez-la. Si elle reste muette, faites-la remplacer.",
    ),
    drivers.CardUnknownError: Problem(
        409, "card-unknown", "card", "Card not recognised",
        "The card in the reader cannot be read as a CPS card. Insert it again; if that does not help, try another one.",
        "La carte du lecteur ne se lit pas comme une carte CPS. Réinsérez-la ; sinon, essayez-en une autre.",
    ),
    drivers.NotCpsError: Problem(  # its sentences name the card: see foreign_cards
        409, "card-unknown", "card", "Not a CPS card",
        "The card in the reader is not a CPS card. Insert your CPS card instead.",
        "La carte du lecteur n'est pas une carte CPS. Insérez votre carte CPS à la place.",
    ),
    drivers.CardUpdateUnfinishedError: Problem(
        409, "card-update-unfinished", "card", "Card update unfinished",
        "An update of this card was interrupted: it cannot be used until the update is finished. Resume it with the "
        "tool that began it (the ANS's service), or ask the ANS.",
        "Une mise à jour de cette carte a été interrompue : elle est inutilisable jusqu'à la fin de la mise à jour. "
        "Reprenez celle-ci avec l'outil qui l'a commencée (service de l'ANS), ou adressez-vous à l'ANS.",
    ),
    drivers.CardError: Problem(
        409, "card-unknown", "card", "Unexpected answer of the card",
        "The card answered something unexpected. Remove it and insert it again, then try again.",
        "La carte a donné une réponse inattendue. Retirez-la, réinsérez-la, puis réessayez.",
    ),
    drivers.DriverError: Problem(
        503, "reader-removed", "reader", "Reader failure",
        "The card reader failed. Unplug it and plug it in again, then try again.",
        "Le lecteur est en erreur. Débranchez-le, rebranchez-le, puis réessayez.",
    ),
    # middleware
    drivers.ModuleAbsentError: Problem(
        503, "module-absent", "middleware", "No PKCS#11 module",
        "No PKCS#11 library can be loaded for this card. Install the ANS library (Cryptolib CPS), then try again.",
        "Aucune bibliothèque PKCS#11 utilisable pour cette carte. Installez la Cryptolib CPS de l'ANS, puis réessayez.",
    ),
    drivers.ModuleCrashedError: Problem(
        503, "module-crashed", "middleware", "PKCS#11 module crashed",
        "The PKCS#11 library failed during the operation. Nothing else was affected: try again.",
        "La bibliothèque PKCS#11 s'est arrêtée pendant l'opération. Rien d'autre n'est touché : réessayez.",
    ),
    drivers.ModuleTimeoutError: Problem(
        504, "module-timeout", "middleware", "PKCS#11 module does not answer",
        "The PKCS#11 library did not answer in time and was stopped. Insert the card again, then try again.",
        "La bibliothèque PKCS#11 n'a pas répondu à temps et a été arrêtée. Réinsérez la carte, puis réessayez.",
    ),
    drivers.KeyUnusableError: Problem(
        422, "not-supported", "middleware", "Key out of the library's reach",
        "The PKCS#11 library cannot sign with this key of the card (OpenSC cannot with a CPS's signature key). Let the "
        "agent use the card directly (setting card_access), or install the ANS library (Cryptolib CPS).",
        "La bibliothèque PKCS#11 ne peut pas signer avec cette clé (cas d'OpenSC et de la clé de signature d'une CPS). "
        "Laissez l'agent utiliser la carte directement (réglage card_access) ou installez la Cryptolib CPS de l'ANS.",
    ),
    # person
    drivers.PinWrongError: Problem(
        403, "pin-wrong", "person", "Wrong code",
        "The code is wrong. Check it before you try again: the card blocks itself when no try is left.",
        "Le code est erroné. Vérifiez-le avant de réessayer : la carte se bloque après le dernier essai.",
    ),
    cards.PassphraseWrongError: Problem(
        403, "pin-wrong", "person", "Wrong passphrase",
        "The passphrase does not open the key of this certificate. Check it (capital letters, keyboard layout), then "
        "try again; nothing is blocked, but each wrong try makes the next one wait longer.",
        "La phrase secrète n'ouvre pas la clé de ce certificat. Vérifiez-la (majuscules, disposition du clavier), puis "
        "réessayez ; rien n'est bloqué, mais chaque erreur fait attendre davantage l'essai suivant.",
    ),
    drivers.PinBlockedError: Problem(
        403, "pin-blocked", "person", "Code blocked",
        "The code is blocked after too many wrong tries. Unblock it with the card's unblocking code (8 digits).",
        "Le code est bloqué après trop d'essais erronés. Débloquez-le avec le code de déblocage (8 chiffres).",
    ),
    drivers.PinUncertainError: Problem(
        409, "pin-uncertain", "card", "Code perhaps changed",
        "The card may have the new code already: its answer was lost. Try the new code first.",
        "La carte a peut-être déjà le nouveau code : sa réponse s'est perdue. Essayez d'abord le nouveau code.",
    ),
    drivers.PinFormatError: Problem(
        403, "pin-refused", "person", "Code of a wrong form",
        "A code is 4 to 8 digits; it was not sent to the card. Try again.",
        "Un code comporte 4 à 8 chiffres ; il n'a pas été envoyé à la carte. Réessayez.",
    ),
    drivers.PadRefusedError: Problem(
        403, "pin-refused", "person", "Code not given on the reader",
        "The code was not given on the reader: cancelled there, not typed in time, or two new codes that differ. "
        "Nothing was lost: try again.",
        "Le code n'a pas été donné sur le lecteur : saisie annulée, trop tardive, ou deux nouveaux codes différents. "
        "Rien n'est perdu : réessayez.",
    ),
    drivers.PadCancelledError: Problem(
        403, "pin-refused", "person", "Cancelled on the reader",
        "The person gave up at the reader. Nothing was lost; the same can be asked again in ten minutes, or once the "
        "person allows it.",
        "La personne a annulé sur le lecteur. Rien n'est perdu ; la même demande sera possible dans dix minutes, ou "
        "dès que la personne le permettra.",
    ),
    prompt.PromptError: Problem(
        403, "pin-refused", "person", "Code not given",
        "The code was not given: the person refused, did not answer, or the workstation could not show the question.",
        "Le code n'a pas été donné : refus, absence de réponse, ou poste incapable d'afficher la question.",
    ),
    # other program
    drivers.CardBusyError: Problem(
        423, "card-busy", "other program", "Card busy",
        "Another program uses the card. Wait until it has finished, then try again.",
        "Un autre logiciel utilise la carte. Attendez qu'il ait terminé, puis réessayez.",
    ),
    drivers.ReaderExclusiveError: Problem(
        423, "reader-exclusive", "other program", "Reader kept by another program",
        "Another program keeps the reader for itself. Close it, then try again.",
        "Un autre logiciel s'est réservé le lecteur. Fermez-le, puis réessayez.",
    ),
    # certificate
    drivers.NotSupportedError: Problem(
        422, "not-supported", "certificate", "Not supported",
        "This card cannot do what was asked.",
        "Cette carte ne permet pas l'opération demandée.",
    ),
    drivers.ContactlessError: Problem(
        422, "not-supported", "card", "Card must be inserted",
        "Held to a contactless reader, a CPS gives its technical certificate alone: no code, no login in your name, no "
        "signature. Insert it into a reader with contacts.",
        "Posée sur un lecteur sans contact, une CPS ne donne que son certificat technique : ni code, ni connexion à "
        "votre nom, ni signature. Insérez-la dans un lecteur à contact.",
    ),
    cards.CertificateExpiredError: Problem(
        422, "certificate-expired", "certificate", "Certificate expired",
        "The certificate of the card has expired, or is not valid yet. The card must be renewed; check the clock too.",
        "Le certificat de la carte a expiré, ou n'est pas encore valide. Faites-la renouveler ; vérifiez l'heure.",
    ),
    cards.CertificateRevokedError: Problem(
        422, "certificate-revoked", "certificate", "Certificate revoked",
        "The certificate's authority has revoked it: nothing can be signed with it any more. Use another card or "
        "certificate; to have this one replaced, see the errands of the agent's window.",
        "L'autorité qui a émis ce certificat l'a révoqué : il ne permet plus de signer ni de se connecter. Utilisez "
        "une autre carte ou un autre certificat ; pour le remplacer, voyez les démarches dans la fenêtre de l'agent.",
    ),
    cards.KeyRefusedError: Problem(
        422, "key-refused", "certificate", "Key refused",
        "The agent does not lend this key or card for that.",
        "L'agent ne prête pas cette clé ou cette carte pour cet usage.",
    ),
    cards.SeveralCardsError: Problem(
        400, "bad-request", "call", "Several cards",
        "Several cards are present: name one by the member cardNumber. If two have one number, take one of them out.",
        "Plusieurs cartes sont présentes : précisez laquelle par le champ cardNumber. Si deux ont le même numéro, "
        "retirez-en une.",
    ),
    # gate
    access.GrantRequiredError: Problem(
        403, "grant-required", "gate", "Not granted",
        "This site or program has not been granted that. It has to ask you for it first.",
        "Ce site ou ce logiciel n'y est pas autorisé. Il doit d'abord vous le demander.",
    ),
    access.GrantRefusedError: Problem(
        403, "grant-refused", "gate", "Grant refused",
        "The person refused to grant this, or did not answer.",
        "La personne a refusé l'autorisation, ou n'a pas répondu.",
    ),
    access.GrantNotFoundError: Problem(
        404, "not-found", "call", "No such grant",
        "There is no such grant.",
        "Cette autorisation n'existe pas.",
    ),
    access.AbilityRefusedError: Problem(
        403, "not-supported", "gate", "Never granted",
        "Such a caller can never be granted this.",
        "Cette autorisation ne peut jamais être accordée à cet appelant.",
    ),
    access.OriginRefusedError: Problem(
        403, "origin-refused", "gate", "Origin refused",
        "Only https pages, and http pages of this workstation, may call the agent.",
        "Seules les pages https, et les pages http de ce poste, peuvent appeler l'agent.",
    ),
    access.HostRefusedError: Problem(
        403, "host-refused", "gate", "Host refused",
        "The request was addressed to a name that is not the agent's own.",
        "La requête visait un nom qui n'est pas celui de l'agent.",
    ),
    access.TokenRefusedError: Problem(
        401, "token-refused", "gate", "Token refused",
        "A program must send the agent's local token (Authorization: Bearer …); `cps-agent token` prints it.",
        "Un logiciel doit envoyer le jeton local de l'agent (Authorization: Bearer …) ; « cps-agent token » l'affiche.",
    ),
    access.PeerRefusedError: Problem(
        403, "peer-refused", "gate", "Peer refused",
        "The connection does not come from a program of this user.",
        "La connexion ne vient pas d'un logiciel de cet utilisateur.",
    ),
    access.StoreError: Problem(
        507, "storage-failed", "agent", "Storage failed",
        "The agent cannot write its data folder (disk full?). Nothing was handed out. Free some space, then try again.",
        "L'agent ne peut pas écrire son dossier (disque plein ?). Rien n'a été remis. Libérez de la place.",
    ),
    # call
    CallError: Problem(
        400, "bad-request", "call", "Bad request",
        "The request is not as the API describes it.",
        "La requête n'est pas conforme à l'API.",
    ),
    BodyTooLargeError: Problem(
        413, "body-too-large", "call", "Body too large",
        "The body of the request is larger than this route takes.",
        "Le corps de la requête dépasse la taille acceptée.",
    ),
    UnsupportedMediaError: Problem(
        415, "unsupported-media", "call", "Unsupported media type",
        "Send JSON with Content-Type: application/json.",
        "Envoyez du JSON avec Content-Type: application/json.",
    ),
    RouteNotFoundError: Problem(
        404, "not-found", "call", "Not found",
        "There is no such route.",
        "Cette route n'existe pas.",
    ),
    MethodNotAllowedError: Problem(
        405, "bad-request", "call", "Method not allowed",
        "The route exists with other methods; nothing changes state on GET.",
        "Cette route existe avec d'autres méthodes ; GET ne modifie rien.",
    ),
    VerifierBusyError: Problem(
        429, "too-many-requests", "call", "Too many verifications",
        "Other signatures are being verified. Wait for their answers, then try again.",
        "D'autres signatures sont en cours de vérification. Attendez leurs réponses, puis réessayez.",
    ),
    prompt.DeskBusyError: Problem(
        429, "too-many-requests", "call", "Too many questions",
        "The person is already being asked something. Wait for the answer, then try again.",
        "Une question est déjà posée à la personne. Attendez la réponse, puis réessayez.",
    ),
    **software_problems.ROWS,
    **signing_problems.ROWS,
    **batch_problems.ROWS,
}  # fmt: skip
