"""The examples as foreign programs: what they print, and what the DMP and INSi saw of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.dmp_service import PATIENT, WITHOUT_RECORD
from support.insi_service import DOMINIQUES, LAURENT, SOFTWARE, fault
from support.soap_service import FaultError, find_name
from support.tls_servers import DMP_SUITES

DMP = ("--service", "dmp", "--ins-kind", "test", "--structure", "499700002712005", "--ins")


@pytest.mark.parametrize("example", ["dmp_td02.py", "insi_search.py", "psc_login.py", "read_mail.py"])
def test_each_says_how_it_is_called(workstation, example: str) -> None:
    ran = workstation.run(example, "--help")
    assert (ran.status, ran.error) == (0, "")


def test_the_dmp_is_asked_in_the_name_of_the_card(workstation) -> None:
    ran = workstation.run("dmp_td02.py", *DMP, PATIENT)
    assert ran.status == 0, ran.error
    assert ran.facts == {"answer": "PRPA_IN201308UV02", "record": "exists", "status": "active"}
    (call,) = workstation.dmp_service.calls
    protocol, suite = call.tls
    assert protocol == "TLSv1.2"
    assert suite in DMP_SUITES
    assert call.certificate == workstation.certificates["authentication"]
    assert call.signed.certificate == workstation.certificates["signature"]
    assert call.signed.name_id == "899700002712"
    assert call.signed.attributes["Identifiant_Structure"] == ["499700002712005"]
    assert "authorization" not in call.headers
    assert not [name for name in call.headers if name.startswith("cps-agent")]


def test_a_patient_without_a_record(workstation) -> None:
    assert workstation.run("dmp_td02.py", *DMP, WITHOUT_RECORD).facts["record"] == "does not exist"


def test_a_fault_of_the_dmp_is_told(workstation) -> None:
    workstation.dmp_service.refuses = FaultError("certificat de signature refusé", "s:DMPInvalidCertificate")
    ran = workstation.run("dmp_td02.py", *DMP, PATIENT)
    assert ran.status == 1
    assert "[DMPInvalidCertificate]" in ran.error  # explained by the agent
    workstation.dmp_service.refuses = FaultError("service fermé", "s:Closed")
    assert "a fault: service fermé, s:Closed" in workstation.run("dmp_td02.py", *DMP, PATIENT).error


def test_insi_is_asked_by_the_structure_for_the_professional(workstation) -> None:
    traits = ("--name", LAURENT.family_name, "--given-name", "LAURENT", "--sex", "M", "--born", LAURENT.born)
    ran = workstation.run("insi_search.py", *insi(workstation), *traits)
    assert ran.status == 0, ran.error
    assert ran.facts == {"outcome": "one identity", "ins": f"{LAURENT.ins} of {LAURENT.oid}"}
    (call,) = workstation.insi_service.calls
    assert find_name(call.certificate) == "INSI-AUTO"
    assert call.signed.certificate == workstation.certificates["signature"]


def insi(workstation) -> tuple[str, ...]:
    return ("--service", "insi", "--certificate", workstation.number, "--software", SOFTWARE)


def test_several_and_nobody(workstation) -> None:
    for name, outcome in ((DOMINIQUES[0].family_name, "several identities"), ("PERSONNE", "no identity")):
        words = ("--name", name, "--given-name", "DOMINIQUE", "--sex", "F", "--born", DOMINIQUES[0].born)
        assert workstation.run("insi_search.py", *insi(workstation), *words).facts == {"outcome": outcome}


def test_a_fault_reaches_the_command_line_explained(workstation, tmp_path: Path) -> None:
    workstation.insi_service.refuses = fault("desir_560", "Certificat de la structure refusé")
    (tmp_path / "empty.xml").write_text("<a/>")
    called = workstation.command("call", "insi", "--card", workstation.number, "--data", str(tmp_path / "empty.xml"))
    assert called.returncode == 11
    assert "desir_560" in called.stdout
    assert "INSI-AUTO" in called.stderr
