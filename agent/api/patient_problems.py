"""What refusals of a patient's number and of the browser look like: rows of the table in `problems`, by class."""

from __future__ import annotations

from typing import Final

from agent.api.rows import Problem
from agent.patients import InsError, InsKeyError
from agent.services.errors import BrowserBusyError, BrowserUnavailableError, LinkError, PortalUnsetError

ROWS: Final[dict[type[BaseException], Problem]] = {
    InsError: Problem(
        400, "bad-request", "call", "Not an INS",
        "This is not the number of a patient: an INS has 13 characters, or 15 with its key, and begins with the "
        "person's sex, year and month of birth. Check its kind, then read it again from the identity that was checked.",
        "Ce numéro n'est pas celui d'un patient : un INS a 13 caractères, ou 15 avec sa clé, et commence par le sexe, "
        "l'année et le mois de naissance. Vérifiez son type, puis reprenez-le de l'identité qualifiée.",
    ),
    InsKeyError: Problem(
        400, "bad-request", "call", "INS with another key",
        "The two digits of the key do not fit the number: a digit was mistyped. Read the INS again from the identity "
        "that was checked.",
        "Les deux chiffres de la clé ne correspondent pas au numéro : un chiffre est faux. Reprenez l'INS de "
        "l'identité qualifiée.",
    ),
    LinkError: Problem(
        400, "bad-request", "call", "Page of a patient",
        "Pages of the DMP are a patient's: give the INS. TableauDeBord may do without, Parametrages takes none.",
        "Les pages du DMP sont celles d'un patient : donnez l'INS. TableauDeBord peut s'en passer, Parametrages n'en "
        "prend pas.",
    ),
    PortalUnsetError: Problem(
        409, "portal-unset", "agent", "Address of the DMP not set",
        "The address of the DMP for browsers is not in the agent's list of services, and the agent invents none. The "
        "administrator adds it to the file that the setting services names: [portals.dmp] with title and url.",
        "L'adresse du DMP pour navigateurs n'est pas dans la liste des services de l'agent, qui n'en invente pas. "
        "L'administrateur l'ajoute au fichier que désigne le réglage services : [portals.dmp] avec title et url.",
    ),
    BrowserUnavailableError: Problem(
        503, "browser-unavailable", "agent", "No browser",
        "No web browser can be opened on this workstation. Choose a default browser, then try again.",
        "Aucun navigateur ne peut être ouvert sur ce poste. Choisissez un navigateur par défaut, puis réessayez.",
    ),
    BrowserBusyError: Problem(
        429, "too-many-requests", "call", "Too many pages",
        "The browser was opened too often for this site or program within a minute. Wait a moment, then try again.",
        "Le navigateur a été ouvert trop souvent pour ce site ou ce logiciel en une minute. Attendez un instant, puis "
        "réessayez.",
    ),
}  # fmt: skip
