"""An INSi that finds a patient's INS by the traits of identity, as far as its public documents tell.

RECSANSVITALE in, RESULTAT out (CodeCR 00 one, 01 nobody, 02 several), for patients who do not exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from support.soap_service import Call, FaultError, SoapService, find_name, soap_service

ACTION = "urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecTraitsIdentite"
ASKED, ANSWERED = "http://www.cnamts.fr/INSiRecSans", "http://www.cnamts.fr/INSiResultat"
SOFTWARE = "PEER00000001"
ORGANISATIONS = frozenset({"INSI-AUTO", "INSI-MANU"})
"""The only common names of a structure's certificate that are let in."""


@dataclass(frozen=True)
class Patient:
    """`ins`: 13 characters, then its key."""

    family_name: str
    given_names: str
    sex: str
    born: str
    place: str
    ins: str
    oid: str = "1.2.250.1.213.1.4.8"

    def matches(self, traits: dict[str, list[str]]) -> bool:
        """Whether somebody with these traits may be this patient; a place is a help, and may be left out."""
        return (
            traits["NomNaissance"] == [self.family_name]
            and set(traits["Prenom"]) <= set(self.given_names.split())
            and traits["Sexe"] == [self.sex]
            and traits["DateNaissance"] == [self.born]
            and traits.get("LieuNaissance", [self.place]) == [self.place]
        )


LAURENT = Patient("ADRDEUX", "LAURENT", "M", "1981-01-01", "63220", "181016322075140")
DOMINIQUES = tuple(
    Patient("ADRTROIS", "DOMINIQUE", "F", "1997-02-26", place, ins)
    for place, ins in (("22278", "297022227801108"), ("63220", "297026322034120"))
)


def fault(code: str, reason: str, number: str | None = None) -> FaultError:
    """As the teleservices of Assurance Maladie write them: siram_… in the subcode, desir_… in the detail."""
    detail = f'<e:Erreur xmlns:e="urn:siram" code={quoteattr(code)} severite="fatal">{escape(reason)}</e:Erreur>'
    return FaultError(reason, number and f"s:{number}", detail)


@dataclass
class Insi:
    """`patients`: whom it knows; `software`: the numbers of authorised software; `needs_tls`: a structure's certificate."""

    patients: list[Patient] = field(default_factory=lambda: [LAURENT, *DOMINIQUES])
    software: set[str] = field(default_factory=lambda: {SOFTWARE})
    needs_tls: bool = True

    def answer(self, call: Call) -> str:
        if call.find("/s:Envelope/s:Header/wsa:Action").text != ACTION:
            raise FaultError("opération inconnue")
        self._admit(call)
        traits: dict[str, list[str]] = {}
        for each in call.find("/s:Envelope/s:Body/*"):
            if not each.tag.startswith(f"{{{ASKED}}}"):
                raise FaultError("message mal formé")
            traits.setdefault(each.tag.rpartition("}")[2], []).append(each.text)
        return _write_result([patient for patient in self.patients if patient.matches(traits)])

    def _admit(self, call: Call) -> None:
        if self.needs_tls and (call.certificate is None or find_name(call.certificate) not in ORGANISATIONS):
            raise fault("desir_560", "Certificat de la structure refusé")
        if call.find("/s:Envelope/s:Header/lps:ContexteLPS//lps:IDAM").text not in self.software:
            raise fault("desir_550", "Numéro d'autorisation du logiciel inconnu", "siram_100")
        if call.signed is None or not call.signed.is_for_signatures:
            raise FaultError("l'assertion est absente ou refusée")


def _write_result(found: list[Patient]) -> str:
    code, label = [("01", "Aucune identite trouvee"), ("00", "OK"), ("02", "Plusieurs identites trouvees")][
        min(len(found), 2)
    ]
    individual = _write_individual(found[0]) if len(found) == 1 else ""
    told = f"<CR><CodeCR>{code}</CodeCR><LibelleCR>{label}</LibelleCR></CR>"
    return f'<RESULTAT xmlns="{ANSWERED}">{told}{individual}</RESULTAT>'


def _write_individual(patient: Patient) -> str:
    number = f"<NumIdentifiant>{patient.ins[:13]}</NumIdentifiant><Cle>{patient.ins[13:]}</Cle>"
    active = f"<INSACTIF><IdIndividu>{number}</IdIndividu><OID>{patient.oid}</OID></INSACTIF>"
    traits = (
        f"<NomNaissance>{patient.family_name}</NomNaissance><ListePrenom>{patient.given_names}</ListePrenom>"
        f"<Sexe>{patient.sex}</Sexe><DateNaissance>{patient.born}</DateNaissance>"
        f"<LieuNaissance>{patient.place}</LieuNaissance>"
    )
    return f"<INDIVIDU>{active}<TIQ>{traits}</TIQ></INDIVIDU>"


@contextmanager
def insi_service(folder: Path, data_dir: Path) -> Iterator[tuple[Insi, SoapService]]:
    insi = Insi()
    with soap_service(folder, data_dir, insi.answer) as service:
        yield insi, service
