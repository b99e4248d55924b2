"""What refusals of Pro Santé Connect look like: rows of the table in `problems`, by class."""

from __future__ import annotations

from typing import Any, Final

from agent.api.rows import Problem
from agent.services.psc import errors, oauth

ROWS: Final[dict[type[BaseException], Problem]] = {
    errors.ClientRefusedError: Problem(
        403, "client-refused", "gate", "Client refused",
        "This program is not among those that may use this client of Pro Santé Connect. An administrator names "
        "clients and their programs in the file of the setting `services`.",
        "Ce logiciel n'est pas de ceux qui peuvent utiliser ce client de Pro Santé Connect. Un administrateur nomme "
        "les clients et leurs logiciels dans le fichier du réglage « services ».",
    ),
    errors.LoginOpenError: Problem(
        409, "psc-login-open", "call", "Login already open",
        "This program already waits for a login. Finish it in the browser, or end that call, then try again.",
        "Ce logiciel attend déjà une connexion. Terminez-la dans le navigateur, ou abandonnez cet appel, puis "
        "réessayez.",
    ),
    errors.LoginRefusedError: Problem(
        403, "psc-login-refused", "person", "Login refused",
        "The login with Pro Santé Connect was refused or given up. Try again when you are ready.",
        "La connexion à Pro Santé Connect a été refusée ou abandonnée. Réessayez quand vous serez prêt.",
    ),
    errors.LoginTimeoutError: Problem(
        504, "psc-login-timeout", "person", "Login not finished",
        "Nobody finished the login with Pro Santé Connect in time. Try again.",
        "La connexion à Pro Santé Connect n'a pas été terminée à temps. Réessayez.",
    ),
    errors.RedirectPortError: Problem(
        503, "psc-port-taken", "agent", "Port of the login taken",
        "Another program holds the port that Pro Santé Connect sends the browser back to. End that program, or have "
        "another port registered for this client.",
        "Un autre logiciel occupe le port vers lequel Pro Santé Connect renvoie le navigateur. Fermez ce logiciel, ou "
        "faites enregistrer un autre port pour ce client.",
    ),
    errors.MixUpError: Problem(
        502, "psc-issuer-mixed-up", "service", "Answer of another issuer",
        "The answer in the browser names another issuer than the one that was asked. The login was broken off: "
        "somebody may be trying to take it over.",
        "La réponse reçue dans le navigateur nomme un autre émetteur que celui interrogé. La connexion a été "
        "interrompue : quelqu'un tente peut-être de la détourner.",
    ),
    errors.TokenCheckError: Problem(
        502, "psc-token-refused", "service", "Token not as it must be",
        "What Pro Santé Connect answered does not hold: `hint` names the claim (exp, iat, nbf: check the clock of this "
        "workstation). Nothing of it is used. Try again, and report it if it comes back.",
        "La réponse de Pro Santé Connect n'est pas valable : « hint » nomme l'élément en cause (exp, iat, nbf : "
        "vérifiez l'heure de ce poste). Rien n'en est utilisé. Réessayez, et signalez-le si cela se répète.",
    ),
    errors.AcrTooLowError: Problem(
        403, "psc-acr-too-low", "service", "Login too weak",
        "The login was made by a weaker way than the software asks for. Log in with the card or the e-CPS.",
        "La connexion a été faite par un moyen plus faible que celui demandé par le logiciel. Connectez-vous avec la "
        "carte ou l'e-CPS.",
    ),
    errors.StaleLoginError: Problem(
        409, "psc-login-stale", "service", "Login of earlier",
        "Pro Santé Connect used a login that this browser had made before, perhaps a colleague's. Log out of Pro Santé "
        "Connect in the browser, then try again.",
        "Pro Santé Connect a repris une connexion faite auparavant dans ce navigateur, peut-être par un collègue. "
        "Déconnectez-vous de Pro Santé Connect dans le navigateur, puis réessayez.",
    ),
    errors.OtherPersonError: Problem(
        409, "psc-other-person", "person", "Another person's card",
        "The person who logged in is not the holder of the card in the reader. Remove that card, or log in as its "
        "holder.",
        "La personne qui s'est connectée n'est pas le titulaire de la carte du lecteur. Retirez cette carte, ou "
        "connectez-vous en tant que son titulaire.",
    ),
    errors.LoginCardGoneError: Problem(
        409, "card-removed", "card", "Card of the login removed",
        "The login was made with a card that is in no reader now. Insert it and leave it in, then log in again.",
        "La connexion a été faite avec une carte qui n'est plus dans un lecteur. Insérez-la, laissez-la en place, puis "
        "reconnectez-vous.",
    ),
    errors.CibaAbsentError: Problem(
        501, "psc-ciba-absent", "service", "No login on another device",
        "This issuer offers no login on a phone or by the card alone. Log in with the browser.",
        "Cet émetteur ne propose pas de connexion sur un téléphone ou par la carte seule. Connectez-vous avec le "
        "navigateur.",
    ),
    errors.NobodyNamedError: Problem(
        422, "psc-nobody-named", "card", "Card without a person",
        "The card in the reader names no person. Say who is to log in by `loginHint`, or insert the person's card.",
        "La carte du lecteur ne désigne personne. Indiquez qui se connecte par « loginHint », ou insérez la carte de "
        "la personne.",
    ),
    errors.LoginAbandonedError: Problem(
        403, "psc-login-abandoned", "person", "Login left behind",
        "The screen was locked, or the session left, before the login was finished. Log in again when you are back.",
        "L'écran a été verrouillé, ou la session quittée, avant la fin de la connexion. Reconnectez-vous à votre "
        "retour.",
    ),
    errors.AudienceRefusedError: Problem(
        403, "psc-audience-refused", "gate", "API not set up for this client",
        "The file of services does not list this API among the `audiences` of the client. An administrator adds it "
        "there once Pro Santé Connect knows of it too.",
        "Le fichier des services ne cite pas cette API parmi les « audiences » du client. Un administrateur l'y "
        "ajoute, une fois que Pro Santé Connect la connaît aussi.",
    ),
    errors.SecretAbsentError: Problem(
        409, "psc-secret-absent", "agent", "No secret for this client",
        "This client proves who it is by a secret, and none is kept here. Keep it: cps-agent psc secret NAME.",
        "Ce client se prouve par un secret, et aucun n'est conservé ici. Enregistrez-le : cps-agent psc secret NOM.",
    ),
    errors.SecretUnreadableError: Problem(
        503, "key-store-unavailable", "agent", "Secret out of reach",
        "The system's key store, which keeps the secret of this client, does not answer or is locked. Unlock it, then "
        "try again.",
        "Le trousseau du système, qui garde le secret de ce client, ne répond pas ou est verrouillé. Déverrouillez-le, "
        "puis réessayez.",
    ),
    errors.ClientUnsetError: Problem(
        409, "psc-certificate-unset", "certificate", "No certificate for this client",
        "This client proves who it is by a software certificate, and the file of services names none: set "
        "`certificate` to its number (cps-agent software list).",
        "Ce client se prouve par un certificat logiciel, et le fichier des services n'en nomme aucun : renseignez "
        "« certificate » avec son numéro (cps-agent software list).",
    ),
    errors.SessionGoneError: Problem(
        404, "psc-session-ended", "call", "Session ended",
        "There is no such session of this program, or it has ended: with its card, its time, the lock of the screen or "
        "a logout. Log in again.",
        "Ce logiciel n'a pas de telle session, ou elle a pris fin : avec sa carte, son délai, le verrouillage de "
        "l'écran ou une déconnexion. Reconnectez-vous.",
    ),
    oauth.IssuerUnreachableError: Problem(
        503, "psc-unreachable", "service", "Pro Santé Connect out of reach",
        "Pro Santé Connect cannot be reached, or is out of order. Check the network, then try again; the card works "
        "without it.",
        "Pro Santé Connect est injoignable ou en panne. Vérifiez le réseau, puis réessayez ; la carte fonctionne sans "
        "lui.",
    ),
    oauth.PscError: Problem(
        502, "psc-answer-refused", "service", "Unexpected answer of the issuer",
        "What answers is not Pro Santé Connect as this agent knows it: a login page of the network, a wrong address in "
        "the file of services, or a new version. `hint` says more.",
        "La réponse n'est pas celle de Pro Santé Connect tel que l'agent le connaît : page de connexion du réseau, "
        "adresse erronée dans le fichier des services, ou nouvelle version. « hint » en dit plus.",
    ),
    oauth.OAuthError: Problem(
        502, "psc-refused", "service", "Refused by Pro Santé Connect",
        "Pro Santé Connect refuses: `hint` has its word. Log in again; where that does not help, this client's "
        "registration is at fault.",
        "Pro Santé Connect refuse : « hint » donne son mot. Reconnectez-vous ; sinon, c'est l'enregistrement de ce "
        "client qui est en cause.",
    ),
}  # fmt: skip


def members(error: oauth.PscError) -> dict[str, Any]:
    """What a refusal adds to its row: the developer's hint, and why a session ended."""
    told: dict[str, Any] = {"hint": str(error)[:500]} if str(error) else {}
    if isinstance(error, errors.SessionGoneError) and error.reason is not None:
        told["reason"] = error.reason
    return told
