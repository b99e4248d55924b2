"""What refusals about batches look like: rows of the table in `problems`, by class."""

from __future__ import annotations

from typing import Final

from agent.api.rows import Problem
from agent.signing import batch_errors as errors

ROWS: Final[dict[type[BaseException], Problem]] = {
    errors.BatchNotFoundError: Problem(
        404, "not-found", "call", "No such batch",
        "There is no such batch for this caller: it was cancelled or forgotten, or belongs to somebody else.",
        "Il n'y a pas de tel lot pour cet appelant : il a été annulé ou oublié, ou appartient à un autre.",
    ),
    errors.BatchIncompleteError: Problem(
        409, "batch-incomplete", "call", "Contents missing",
        "Some formats of this batch need the contents of their documents; `hint` says how many are missing.",
        "Certains formats de ce lot demandent le contenu des documents ; « hint » dit combien il en manque.",
    ),
    errors.BatchStateError: Problem(
        409, "batch-state", "call", "Not at this point of the batch",
        "The batch runs, is done, or was started already; `hint` says which.",
        "Le lot est en cours, terminé ou déjà commencé ; « hint » précise.",
    ),
    errors.BatchUnsignedError: Problem(
        409, "batch-unsigned", "call", "Not signed yet",
        "This document has no signature yet. Wait for the batch, or start it again if it is paused.",
        "Ce document n'est pas encore signé. Attendez le lot, ou relancez-le s'il est en pause.",
    ),
    errors.DigestMismatchError: Problem(
        422, "digest-mismatch", "document", "Another document",
        "The content is not the one that the batch announced by its hash and size. Nothing was kept of it.",
        "Le contenu n'est pas celui que le lot a annoncé par son empreinte et sa taille. Rien n'en a été gardé.",
    ),
    errors.BatchRoomError: Problem(
        413, "batch-room", "call", "Batches too large",
        "All batches together would hold more than 256 MB. Take the signatures of one, cancel it, then go on.",
        "L'ensemble des lots dépasserait 256 Mo. Prenez les signatures d'un lot, annulez-le, puis continuez.",
    ),
    errors.TooManyBatchesError: Problem(
        429, "too-many-requests", "call", "Too many batches",
        "This caller has 8 batches, or one that runs, or two others run. Cancel one, or wait for its end.",
        "Cet appelant a déjà 8 lots, ou un lot en cours, ou deux autres sont en cours. Annulez-en un, ou attendez.",
    ),
    errors.OtherCardError: Problem(
        409, "batch-other-card", "certificate", "Another card",
        "The batch was begun with another certificate: put that card back, or make a new batch of what is left.",
        "Le lot a été commencé avec un autre certificat : remettez cette carte, ou faites un nouveau lot du reste.",
    ),
    errors.BatchStoppedError: Problem(
        409, "batch-stopped", "person", "Batch stopped",
        "The batch was stopped: the screen was locked, or somebody stopped it. Start it again with the code.",
        "Le lot a été arrêté : l'écran a été verrouillé, ou quelqu'un l'a arrêté. Relancez-le avec le code.",
    ),
}  # fmt: skip
