"""SOAP 1.2 services of a test, in plain HTTP behind nginx: each checks who signed the assertion, and who came by TLS."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape, quoteattr

from cryptography import x509
from cryptography.x509.oid import NameOID
from lxml import etree
from support.openssl import write_pem
from support.tls_servers import ServerTerms, TlsServer, nginx
from support.xmlsec_profiles import accepts

from agent.signing.xml_names import DS, SAML, SECURITY, SOAP, XSI
from drivers.virtual.pki import TestPki
from drivers.virtual.store import pki_folder

WSA = "http://www.w3.org/2005/08/addressing"
NAMES = {
    "s": SOAP,
    "w": SECURITY,
    "a": SAML,
    "ds": DS,
    "wsa": WSA,
    "hl7": "urn:hl7-org:v3",
    "lps": "urn:siram:lps:ctxlps",
}
MEDIA_TYPE = "application/soap+xml"

LOCATION = """
location /services {{
  proxy_pass http://127.0.0.1:{port};
  proxy_set_header Tls-Certificate $ssl_client_escaped_cert;
  proxy_set_header Tls-Protocol $ssl_protocol;
  proxy_set_header Tls-Cipher $ssl_cipher;
}}
"""
"""nginx tells the service of who came (ngx_http_ssl_module); it overwrites whatever the caller sends."""


class FaultError(Exception):
    """The service refuses: a SOAP 1.2 fault (part 1 §5.4)."""

    def __init__(self, reason: str, subcode: str | None = None, detail: str = "", code: str = "Sender") -> None:
        super().__init__(reason)
        self.code = code
        self.subcode = subcode
        self.detail = detail

    @property
    def status(self) -> int:
        """SOAP 1.2 part 2 §7.5.2.2, table 20."""
        return 400 if self.code == "Sender" else 500

    def write(self) -> bytes:
        subcode = f"<s:Subcode><s:Value>{escape(self.subcode)}</s:Value></s:Subcode>" if self.subcode else ""
        detail = f"<s:Detail>{self.detail}</s:Detail>" if self.detail else ""
        reason = f'<s:Reason><s:Text xml:lang="fr">{escape(str(self))}</s:Text></s:Reason>'
        code = f"<s:Code><s:Value>s:{self.code}</s:Value>{subcode}</s:Code>"
        return write_envelope("", f"<s:Fault>{code}{reason}{detail}</s:Fault>")


@dataclass(frozen=True)
class Signed:
    """An assertion whose signature holds: whom it names, what it says of them, and whose certificate signed it."""

    name_id: str
    attributes: dict[str, list[str]]
    certificate: x509.Certificate

    @property
    def is_for_signatures(self) -> bool:
        """Whether the key may sign what binds: authentication keys may not (RFC 5280 §4.2.1.3)."""
        return self.certificate.extensions.get_extension_for_class(x509.KeyUsage).value.content_commitment


@dataclass(frozen=True)
class Call:
    """One request: by which TLS and certificate it came, and what it says. `signed` None: no assertion."""

    path: str
    headers: dict[str, str]
    body: bytes
    envelope: Any
    signed: Signed | None
    certificate: x509.Certificate | None

    @property
    def tls(self) -> tuple[str, str]:
        """Protocol and cipher suite."""
        return self.headers["tls-protocol"], self.headers["tls-cipher"]

    def find(self, path: str) -> Any:
        """The only element at this path. Raises FaultError."""
        found = self.envelope.xpath(path, namespaces=NAMES)
        if len(found) != 1:
            raise FaultError(f"{path}: {len(found)} au lieu de 1")
        return found[0]


Answer = Callable[[Call], str]
"""Gives the children of the answer's Body, or raises FaultError."""


@dataclass
class SoapService:
    """A service that listens. `calls`: the requests so far; `refuses`: what every answer is, while it is set."""

    port: int
    answer: Answer
    authorities: Path
    calls: list[Call] = field(default_factory=list)
    refuses: FaultError | None = None

    def serve(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        try:
            call = self._read(path, headers, body)
            self.calls.append(call)
            if self.refuses is not None:
                raise self.refuses
            return 200, write_envelope(_write_relation(call), self.answer(call))
        except FaultError as fault:
            return fault.status, fault.write()

    def _read(self, path: str, headers: dict[str, str], body: bytes) -> Call:
        if headers.get("content-type", "").split(";")[0] != MEDIA_TYPE:
            raise FaultError(f"{MEDIA_TYPE} est attendu")
        try:
            envelope = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
        except etree.XMLSyntaxError as error:
            raise FaultError("message illisible") from error
        pem = unquote(headers.get("tls-certificate", ""))
        certificate = x509.load_pem_x509_certificate(pem.encode()) if pem else None
        return Call(path, headers, body, envelope, self._verify(envelope, body), certificate)

    def _verify(self, envelope: Any, body: bytes) -> Signed | None:
        """What the one assertion of the header says, once xmlsec1 has taken it within the message. Raises FaultError."""
        found = envelope.xpath("/s:Envelope/s:Header/w:Security/a:Assertion", namespaces=NAMES)
        if not found and not envelope.xpath("//a:Assertion", namespaces=NAMES):
            return None
        if len(found) != 1 or len(envelope.xpath("//ds:Signature", namespaces=NAMES)) != 1:
            raise FaultError("une assertion signée est attendue dans wsse:Security")
        with tempfile.TemporaryDirectory(dir=self.authorities) as scratch:
            for name in ("root.pem", "issuing.pem"):
                Path(scratch, name).symlink_to(self.authorities / name)
            if not accepts(Path(scratch), body):
                raise FaultError("la signature de l'assertion n'est pas valide")
        (assertion,) = found
        return _read_assertion(assertion)


def _read_assertion(assertion: Any) -> Signed:
    (reference,) = assertion.findall(f"{{{DS}}}Signature/{{{DS}}}SignedInfo/{{{DS}}}Reference")
    if reference.get("URI") != f"#{assertion.get('ID')}":
        raise FaultError("la signature n'est pas celle de l'assertion")
    der = "".join(assertion.findtext(f".//{{{DS}}}X509Certificate").split())
    pem = f"-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n"
    attributes = {
        each.get("Name"): ["".join(value.itertext()) or value[0].get("code") for value in each]
        for each in assertion.iter(f"{{{SAML}}}Attribute")
    }
    name_id = assertion.findtext(f"{{{SAML}}}Subject/{{{SAML}}}NameID")
    return Signed(name_id, attributes, x509.load_pem_x509_certificate(pem.encode()))


def find_name(certificate: x509.Certificate) -> str:
    """The common name, which is the holder's number in a card's certificates."""
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)


def write_envelope(header: str, body: str) -> bytes:
    head = f"<s:Header>{header}</s:Header>" if header else ""
    names = f"xmlns:s={quoteattr(SOAP)} xmlns:wsa={quoteattr(WSA)} xmlns:xsi={quoteattr(XSI)}"
    return f"<s:Envelope {names}>{head}<s:Body>{body}</s:Body></s:Envelope>".encode()


def _write_relation(call: Call) -> str:
    """Which message is answered (WS-Addressing 1.0 core §3.4)."""
    found = call.envelope.findtext(f"{{{SOAP}}}Header/{{{WSA}}}MessageID")
    return f"<wsa:RelatesTo>{escape(found)}</wsa:RelatesTo>" if found else ""


@contextlib.contextmanager
def soap_service(folder: Path, data_dir: Path, answer: Answer) -> Iterator[SoapService]:
    """Serve on a loopback port until the block ends, for cards of the test PKI of a data folder."""
    issuing, *_, root = TestPki.open(pki_folder(data_dir)).chain_der()
    write_pem(folder / "issuing.pem", issuing)
    write_pem(folder / "root.pem", root)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.service = SoapService(server.server_port, answer, folder)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.service
        finally:
            server.shutdown()
            thread.join(10)


@contextlib.contextmanager
def behind_nginx(service: SoapService, folder: Path, data_dir: Path, *, asks: bool = True) -> Iterator[TlsServer]:
    """The service at /services of an nginx with the DMP's suites; `asks`: for a certificate of the test PKI."""
    clients = TestPki.open(pki_folder(data_dir)).chain_der() if asks else ()
    with nginx(ServerTerms(folder, clients), LOCATION.format(port=service.port)) as server:
        yield server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    service: SoapService


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        status, content = self.server.service.serve(self.path, headers, body)
        self.send_response(status)
        self.send_header("Content-Type", f"{MEDIA_TYPE}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None: ...
