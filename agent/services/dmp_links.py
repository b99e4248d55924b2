"""Contextual links into the DMP of the web: a page of it, for a patient (PDT-INF-527 v1.7, 22 April 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from agent.services.errors import LinkError

if TYPE_CHECKING:
    from agent.services.catalog import Portal

ENTRANCE: Final = "AccesDirect"


class Page(StrEnum):
    """Pages that a link leads to, by the DMP's own names. There is none that creates a DMP any more."""

    DASHBOARD = "TableauDeBord"
    PATIENT = "DossierPatient"
    MANAGEMENT = "GestionDMPPatient"
    DOCUMENTS = "Documents"
    CARE_PATHWAY = "ParcoursDeSoins"
    ACCESS_HISTORY = "HistoriqueAcces"
    SETTINGS = "Parametrages"
    WISHES = "VolontesEtDroits"
    VACCINATIONS = "CarnetVaccination"


class Patient(StrEnum):
    """Whether a page is of a patient."""

    NEEDED = "needed"
    POSSIBLE = "possible"
    NONE = "none"


PATIENTS: Final[Mapping[Page, Patient]] = dict.fromkeys(Page, Patient.NEEDED) | {
    Page.DASHBOARD: Patient.POSSIBLE,
    Page.SETTINGS: Patient.NONE,
}


def write_link(portal: Portal, page: Page, ins: str | None = None) -> str:
    """The address of a page; `ins`: a number that was checked, with or without its key. Raises LinkError."""
    wanted = PATIENTS[page]
    if ins is None and wanted is Patient.NEEDED:
        raise LinkError(f"{page} is a patient's: say whose by an INS")
    if ins is not None and wanted is Patient.NONE:
        raise LinkError(f"{page} is no patient's: leave the INS out")
    parts = (portal.url.rstrip("/"), ENTRANCE, page, *(() if ins is None else (ins,)))
    return "/".join(parts)
