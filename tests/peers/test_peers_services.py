"""The DMP and INSi that the examples call are no pushovers: a message with a hole in it is refused, by xmlsec1 or by rule."""

from __future__ import annotations

import base64
import contextlib
import http.client
from argparse import Namespace
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from dmp_td02 import ACTION, write_query
from lxml import etree
from soap import read_body, write_envelope
from support.dmp_service import PATIENT, WITHOUT_RECORD
from support.soap_service import MEDIA_TYPE, NAMES, SoapService

from agent.client import Client

VIHF = {
    "mode": "direct",
    "structure": {"id": "499700002712005"},
    "patient": {"ins": PATIENT, "kind": "test"},
}


@pytest.fixture
def dmp(workstation) -> SoapService:
    return workstation.dmp_service


@pytest.fixture
def certificate(workstation) -> x509.Certificate:
    """Who comes by TLS."""
    return workstation.certificates["authentication"]


@pytest.fixture(scope="module")
def message(whole_workstation) -> bytes:
    """A TD0.2 whose VIHF this program obtained by the API and put in itself."""
    with Client.of(whole_workstation.folder) as client:
        made = client.request("POST", "/v1/assertions/vihf", VIHF)["assertion"]
    query = write_query(Namespace(ins=PATIENT, ins_kind="test", software_oid="1.2.250.1.999"))
    security = f'<w:Security xmlns:w="{NAMES["w"]}">{base64.b64decode(made["content"]).decode()}</w:Security>'
    return write_envelope(ACTION, query, security).encode()


def ask(service: SoapService, body: bytes, certificate: x509.Certificate | None) -> Any:
    """What nginx would pass on."""
    headers = {"Content-Type": MEDIA_TYPE, "Tls-Protocol": "TLSv1.2", "Tls-Cipher": "-"}
    if certificate is not None:
        headers["Tls-Certificate"] = quote(certificate.public_bytes(Encoding.PEM))
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)) as connection:
        connection.request("POST", "/services/patient", body, headers)
        response = connection.getresponse()
        return response.status, response.read()


def test_a_message_is_answered_once_everything_about_it_holds(workstation, dmp, certificate, message) -> None:
    status, content = ask(dmp, message, certificate)
    assert (status, read_body(content).find(".//{urn:hl7-org:v3}queryResponseCode").get("code")) == (200, "OK")
    (call,) = dmp.calls
    assert call.signed.name_id == "899700002712"
    assert etree.fromstring(content).findtext(".//{*}RelatesTo") == call.find("//wsa:MessageID").text
    workstation.dmp.records.clear()
    assert b'"NF"' in ask(dmp, message, certificate)[1]
    workstation.dmp.records.add(PATIENT)


def swap_patient(message: bytes) -> bytes:
    head, body = message.split(b"<soap:Body>")
    return head + b"<soap:Body>" + body.replace(PATIENT.encode(), WITHOUT_RECORD.encode())


def add_second(message: bytes) -> bytes:
    second = f'<w:Security xmlns:w="{NAMES["w"]}"><Assertion xmlns="{NAMES["a"]}"/></w:Security></soap:Header>'
    return message.replace(b"</soap:Header>", second.encode())


def leave_out(message: bytes) -> bytes:
    start = message.index(b"<w:Security")
    return message[:start] + message[message.index(b"</soap:Header>") :]


def misplace(message: bytes) -> bytes:
    return message.replace(b"<w:Security", b"<w:Elsewhere").replace(b"</w:Security", b"</w:Elsewhere")


HOLES: dict[Callable[[bytes], bytes], str] = {
    swap_patient: "patient du VIHF",
    add_second: "assertion signée",
    leave_out: "VIHF est absent",
    misplace: "assertion signée",
    lambda message: message.replace(b"CABINET", b"CLINIC").replace(b">899700002712<", b">899700002720<"): "signature",
    lambda message: message[:-1]: "illisible",
}


def test_a_hole_is_a_fault(dmp, certificate, message) -> None:
    for change, reason in HOLES.items():
        assert change(message) != message
        status, content = ask(dmp, change(message), certificate)
        assert status == 400
        assert reason in etree.fromstring(content).findtext(".//{*}Text")


def test_who_comes_by_tls_is_who_signed(dmp, message) -> None:
    issuing = x509.load_pem_x509_certificate((dmp.authorities / "issuing.pem").read_bytes())
    for other in (None, issuing):
        status, content = ask(dmp, message, other)
        assert (status, b"Fault" in content) == (400, True)
