"""What refusals of the directory look like: rows of the table in `problems`, by class."""

from __future__ import annotations

from typing import Final

from agent.api.rows import Problem
from agent.services.directory import errors as directory

ROWS: Final[dict[type[BaseException], Problem]] = {
    directory.DirectoryOffError: Problem(
        409, "directory-off", "directory", "Directory off",
        "Looking professionals up in the Annuaire Santé is off. Set directory = true in the agent's settings.",
        "La consultation de l'Annuaire Santé est désactivée. Mettez directory = true dans les réglages de l'agent.",
    ),
    directory.ApiKeyAbsentError: Problem(
        409, "directory-key-absent", "directory", "No API key of the directory",
        "The Annuaire Santé asks for an API key: get one at portal.api.esante.gouv.fr, then run "
        "`cps-agent directory key`.",
        "L'Annuaire Santé demande une clé d'API : obtenez-en une sur portal.api.esante.gouv.fr, puis lancez "
        "« cps-agent directory key ».",
    ),
    directory.ApiKeyUnreadableError: Problem(
        503, "directory-key-unreadable", "directory", "Key store closed",
        "The API key of the Annuaire Santé lies in this workstation's key store, which cannot be used now. Unlock it, "
        "then try again.",
        "La clé d'API de l'Annuaire Santé est dans le trousseau du poste, inutilisable pour l'instant. "
        "Déverrouillez-le, puis réessayez.",
    ),
    directory.ApiKeyRefusedError: Problem(
        502, "directory-key-refused", "directory", "API key refused",
        "The Annuaire Santé refuses the API key. Check it at portal.api.esante.gouv.fr, then give it again: "
        "`cps-agent directory key`.",
        "L'Annuaire Santé refuse la clé d'API. Vérifiez-la sur portal.api.esante.gouv.fr, puis redonnez-la : "
        "« cps-agent directory key ».",
    ),
    directory.DirectoryUnavailableError: Problem(
        503, "directory-unavailable", "directory", "Directory out of reach",
        "The Annuaire Santé cannot be reached, or is out of order. Check the network; the card works without it.",
        "L'Annuaire Santé est injoignable ou en panne. Vérifiez le réseau ; la carte fonctionne sans lui.",
    ),
    directory.DirectoryBusyError: Problem(
        429, "directory-busy", "directory", "Directory asked too often",
        "The Annuaire Santé has been asked too often just now. Wait a few minutes, then try again.",
        "L'Annuaire Santé vient d'être trop sollicité. Attendez quelques minutes, puis réessayez.",
    ),
    directory.DirectoryAnswerError: Problem(
        502, "directory-unreadable", "directory", "Not the directory's answer",
        "What answers is not the Annuaire Santé as this agent knows it: a login page of the network, a wrong address "
        "in the setting directory_url, or a new version.",
        "La réponse n'est pas celle de l'Annuaire Santé tel que l'agent le connaît : page de connexion du réseau, "
        "adresse erronée dans le réglage directory_url, ou nouvelle version.",
    ),
    directory.OtherProfessionalError: Problem(
        403, "directory-card-only", "gate", "Only the card's holder",
        "A page may look up the professional whose card is in a reader, and nobody else.",
        "Un site ne peut consulter que la fiche du professionnel dont la carte est dans un lecteur.",
    ),
}  # fmt: skip
