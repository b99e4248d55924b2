"""What refusals on the way to a health service look like: rows of the table in `problems`, by class."""

from __future__ import annotations

from typing import Any, Final

from agent.api.rows import Problem
from agent.services import errors
from agent.services.channels import errors as channels
from agent.services.tls import errors as tls

ROWS: Final[dict[type[BaseException], Problem]] = {
    errors.ServiceUnknownError: Problem(
        404, "service-unknown", "call", "No such service",
        "The agent knows no service of this name. GET /v1/gateway lists them; an administrator adds others by the "
        "setting services.",
        "L'agent ne connaît aucun service de ce nom. GET /v1/gateway les énumère ; un administrateur en ajoute par le "
        "réglage services.",
    ),
    errors.TargetRefusedError: Problem(
        400, "target-refused", "gate", "Target refused",
        "The path or query of this request could lead elsewhere than to the service, or be read in two ways. Nothing "
        "was sent. The publisher of the software has to spell it plainly.",
        "Le chemin ou les paramètres de cette requête pourraient mener ailleurs que vers le service, ou se lire de "
        "deux façons. Rien n'a été envoyé. L'éditeur du logiciel doit les écrire simplement.",
    ),
    errors.HtmlRefusedError: Problem(
        502, "html-refused", "service", "Page instead of an answer",
        "The service answered with a web page, which the agent does not pass on: an error page, a login page of the "
        "network, or a wrong address. Try again later; if it comes back, ask the publisher of the software.",
        "Le service a répondu par une page web, que l'agent ne transmet pas : page d'erreur, page de connexion du "
        "réseau, ou mauvaise adresse. Réessayez plus tard ; si cela se répète, voyez l'éditeur du logiciel.",
    ),
    errors.CatalogError: Problem(
        500, "services-unreadable", "agent", "List of services unusable",
        "The file that the setting services names cannot be used: `hint` says which entry is wrong. Its administrator "
        "has to correct it.",
        "Le fichier désigné par le réglage services est inutilisable : « hint » dit quelle entrée est fausse. Son "
        "administrateur doit la corriger.",
    ),
    channels.CertificateUnnamedError: Problem(
        400, "certificate-unnamed", "call", "Certificate not named",
        "This service is for software certificates: name one by its number (S…, header CPS-Agent-Card); "
        "`cps-agent software list` shows them.",
        "Ce service demande un certificat logiciel : désignez-le par son numéro (S…, en-tête CPS-Agent-Card) ; "
        "« cps-agent software list » les affiche.",
    ),
    channels.CertificateKindError: Problem(
        422, "key-refused", "certificate", "Certificate of the wrong kind",
        "This service takes a certificate of another kind: a card's where a software certificate was named, or the "
        "other way. Name the right one.",
        "Ce service demande un certificat d'une autre nature : celui d'une carte au lieu d'un certificat logiciel, ou "
        "l'inverse. Désignez le bon.",
    ),
    channels.ChannelEndedError: Problem(
        409, "channel-ended", "person", "Connection to the service ended",
        "The connection was ended on this workstation while the request was under way: card removed, screen locked, "
        "permission taken back, or its time over. The service may have carried the request out: check before you "
        "repeat it.",
        "La connexion a été fermée sur ce poste pendant la requête : carte retirée, écran verrouillé, autorisation "
        "retirée ou durée écoulée. Le service a pu exécuter la requête : vérifiez avant de la répéter.",
    ),
    channels.ChannelBusyError: Problem(
        429, "too-many-requests", "call", "Too many requests to the service",
        "Too many requests of this program to this service are under way. Wait for their answers, then try again.",
        "Trop de requêtes de ce logiciel vers ce service sont en cours. Attendez leurs réponses, puis réessayez.",
    ),
    channels.ServiceTimeoutError: Problem(
        504, "service-timeout", "service", "Service too slow",
        "The service took the request and then answered nothing for too long. It may have carried the request out: "
        "check before you repeat it.",
        "Le service a reçu la requête puis n'a rien répondu à temps. Il a pu l'exécuter : vérifiez avant de la "
        "répéter.",
    ),
    channels.AnswerCutError: Problem(
        502, "service-cut", "service", "Answer cut off",
        "The service ended the connection before its answer was complete. It may have carried the request out: check "
        "before you repeat it.",
        "Le service a coupé la connexion avant la fin de sa réponse. Il a pu exécuter la requête : vérifiez avant de "
        "la répéter.",
    ),
    channels.AnswerBrokenError: Problem(
        502, "service-unreadable", "service", "Not an answer of the service",
        "What answered speaks no HTTP that the agent understands: another program at this address, or a service out of "
        "order. Try again later.",
        "Ce qui répond ne parle pas un HTTP que l'agent comprend : autre logiciel à cette adresse, ou service en "
        "panne. Réessayez plus tard.",
    ),
    tls.TlsUnavailableError: Problem(
        501, "tls-unavailable", "agent", "No TLS with a card here",
        "On this workstation the agent's Python and OpenSSL cannot use the card's key for TLS; `hint` says why. "
        "Install the agent from its own package.",
        "Sur ce poste, Python et OpenSSL ne permettent pas à l'agent d'utiliser la clé de la carte en TLS ; « hint » "
        "dit pourquoi. Installez l'agent par son propre paquet.",
    ),
    tls.ServerUnreachableError: Problem(
        502, "service-unreachable", "service", "Service out of reach",
        "The service cannot be reached: no network, a proxy or firewall in between, or the service is down. Nothing "
        "was sent. Check the network, then try again.",
        "Le service est injoignable : pas de réseau, proxy ou pare-feu en travers, ou service arrêté. Rien n'a été "
        "envoyé. Vérifiez le réseau, puis réessayez.",
    ),
    tls.ServerCertificateError: Problem(
        502, "server-certificate-refused", "service", "Server's certificate refused",
        "The server does not prove to be the service: `reason` says what is wrong with its certificate. Nothing was "
        "sent. Check the workstation's clock, and whether a proxy opens encrypted connections; else the service is at "
        "fault.",
        "Le serveur ne prouve pas qu'il est le service : « reason » dit ce qui ne va pas dans son certificat. Rien n'a "
        "été envoyé. Vérifiez l'heure du poste, et si un proxy ouvre les connexions chiffrées ; sinon, le service est "
        "en cause.",
    ),
    tls.ClientRefusedError: Problem(
        502, "client-certificate-refused", "service", "Certificate refused by the service",
        "The service does not accept this card or certificate: of another environment (test, production), expired or "
        "revoked for it, or not entitled. Use another one, or ask the service.",
        "Le service n'accepte pas cette carte ou ce certificat : autre environnement (test, production), expiré ou "
        "révoqué à ses yeux, ou non habilité. Utilisez-en un autre, ou voyez avec le service.",
    ),
    tls.TlsVersionError: Problem(
        502, "tls-version-refused", "service", "No common version of TLS",
        "The service and this key have no version or signature of TLS in common: a CPS3 signs for TLS 1.2 alone. Use "
        "another card or a software certificate, or ask the service.",
        "Le service et cette clé n'ont aucune version ni signature TLS en commun : une CPS3 ne signe qu'en TLS 1.2. "
        "Utilisez une autre carte ou un certificat logiciel, ou voyez avec le service.",
    ),
    tls.TlsError: Problem(
        502, "tls-failed", "service", "TLS failed",
        "No protected connection to the service came about; `hint` says why. Try again later.",
        "Aucune connexion protégée avec le service n'a pu être établie ; « hint » dit pourquoi. Réessayez plus tard.",
    ),
}  # fmt: skip

HINTED: Final = (
    errors.ServiceRefusedError, errors.HtmlRefusedError, channels.ChannelError, tls.TlsError, errors.CatalogError,
)  # fmt: skip


def members(error: BaseException) -> dict[str, Any]:
    """What a refusal adds to its row."""
    if not isinstance(error, HINTED):
        return {}
    told: dict[str, Any] = {"hint": str(error)[:500]} if str(error) else {}
    if isinstance(error, errors.HtmlRefusedError):
        told["serviceStatus"] = error.status
    if isinstance(error, tls.ServerCertificateError):
        told["reason"] = str(error.reason)
    if isinstance(error, channels.ChannelEndedError):
        told["reason"] = str(error.end)
    return told
