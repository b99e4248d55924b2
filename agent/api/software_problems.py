"""What refusals about software certificates look like: rows of the table in `problems`, by class."""

from __future__ import annotations

from typing import Final

from agent.api.rows import Problem
from agent.cards import errors as cards
from drivers.software import errors as software

ROWS: Final[dict[type[BaseException], Problem]] = {
    software.KeyFileError: Problem(
        422, "file-refused", "certificate", "File not usable",
        "This file holds no private key and certificate that can be read (PKCS#12: .p12, .pfx; PEM; at most 10 MB). "
        "Export it again from where it comes from.",
        "Ce fichier ne contient pas de clé privée et de certificat lisibles (PKCS#12 : .p12, .pfx ; PEM ; 10 Mo au "
        "plus). Exportez-le à nouveau depuis son origine.",
    ),
    software.TooCostlyError: Problem(
        422, "file-refused", "certificate", "File too costly to open",
        "Opening this file would take more computing than any honest file asks for: it was left alone. Export it again "
        "from where it comes from.",
        "Ouvrir ce fichier demanderait plus de calcul qu'aucun fichier honnête : il a été laissé de côté. "
        "Exportez-le à nouveau depuis son origine.",
    ),
    software.KeyMismatchError: Problem(
        422, "file-refused", "certificate", "Key without its certificate",
        "The private key of this file belongs to none of its certificates. Import the file that holds both.",
        "La clé privée de ce fichier n'appartient à aucun de ses certificats. Importez le fichier qui contient "
        "les deux.",
    ),
    software.KeyKindError: Problem(
        422, "not-supported", "certificate", "Key of another kind",
        "Only RSA keys of 2048 to 8192 bits are used here.",
        "Seules les clés RSA de 2048 à 8192 bits sont utilisées ici.",
    ),
    software.StoreError: Problem(
        507, "storage-failed", "agent", "Storage of software keys failed",
        "The folder of the software keys cannot be used (disk full, or not this user's alone). Nothing was lost; "
        "see the agent's log, then try again.",
        "Le dossier des clés logicielles est inutilisable (disque plein, ou ouvert à d'autres). Rien n'est perdu ; "
        "consultez le journal technique de l'agent, puis réessayez.",
    ),
    software.EntryDamagedError: Problem(
        422, "key-refused", "certificate", "Software key damaged",
        "What is kept of this key is damaged; the others are not concerned. Remove it and import it again.",
        "Ce qui est gardé de cette clé est endommagé ; les autres ne sont pas touchées. Supprimez-la, puis importez-la "
        "à nouveau.",
    ),
    software.EntryGoneError: Problem(
        409, "card-removed", "certificate", "Software certificate removed",
        "This certificate and its key were removed meanwhile. Import them again, or name another one.",
        "Ce certificat et sa clé ont été supprimés entre-temps. Importez-les à nouveau, ou désignez-en un autre.",
    ),
    software.SecretGoneError: Problem(
        422, "key-refused", "certificate", "Key store forgot the key",
        "The system's key store no longer has what opens this key. Import the certificate's file again.",
        "Le trousseau du système n'a plus de quoi ouvrir cette clé. Importez à nouveau le fichier du certificat.",
    ),
    software.WrappingUnavailableError: Problem(
        503, "key-store-unavailable", "certificate", "Key store unavailable",
        "The system's key store does not answer, or is locked. Unlock it, then try again; or have the key protected "
        "by a passphrase.",
        "Le trousseau du système ne répond pas, ou est verrouillé. Déverrouillez-le, puis réessayez ; ou faites "
        "protéger la clé par une phrase secrète.",
    ),
    cards.KeyBusyError: Problem(
        423, "card-busy", "certificate", "Key not opened in time",
        "The key of this certificate was not opened in time: after wrong passphrases it makes one wait, or the "
        "system's key store waits to be unlocked. Try again in a moment.",
        "La clé de ce certificat n'a pas été ouverte à temps : elle fait attendre après des phrases secrètes erronées, "
        "ou le trousseau du système attend d'être déverrouillé. Réessayez dans un instant.",
    ),
    cards.CertificateNotFoundError: Problem(
        404, "not-found", "certificate", "No such software certificate",
        "No software certificate of that number is kept here; `cps-agent software list` shows them.",
        "Aucun certificat logiciel de ce numéro n'est gardé ici ; « cps-agent software list » les montre.",
    ),
    cards.OrderNotFoundError: Problem(
        404, "not-found", "certificate", "No such order",
        "There is no such order: it was given up, or its certificate has come. `cps-agent software orders` shows them.",
        "Cette commande n'existe pas : elle a été abandonnée, ou son certificat est arrivé. « cps-agent software "
        "orders » les montre.",
    ),
    cards.OrderRefusedError: Problem(
        400, "bad-request", "call", "Order not possible",
        "No certificate of this product can be for such a subject: the hint says which member is wrong.",
        "Aucun certificat de ce produit ne peut avoir un tel titulaire : l'indication dit quel champ est en cause.",
    ),
    cards.CertificateMismatchError: Problem(
        422, "file-refused", "certificate", "Certificate of another key",
        "This file holds no certificate for the key of this order. Take the file that was delivered for it.",
        "Ce fichier ne contient pas de certificat pour la clé de cette commande. Prenez le fichier délivré pour elle.",
    ),
}  # fmt: skip
"""Status, code, layer, title, and what is at fault and what to do in English and in French."""
