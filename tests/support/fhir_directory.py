"""The Annuaire Santé's FHIR API as its documentation describes it, over TLS on loopback, for people who do not exist.

Resources follow the public profiles (IG annuaire 1.1); a key is asked for, pages are cut, and the ceiling is measured.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Json = dict[str, Any]
KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"
BASE = "/fhir/v2"
NOS = "https://mos.esante.gouv.fr/NOS"
PROFILES = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition"
FR_CORE = "https://hl7.fr/ig/fhir/core"
CEILING = 17


def table(name: str) -> str:
    """The system of a code table, such as TRE_G15-ProfessionSante."""
    return f"{NOS}/{name}/FHIR/{name.replace('_', '-')}"


PROFESSION, SPECIALITY = table("TRE_G15-ProfessionSante"), table("TRE_R38-SpecialiteOrdinale")
SECTOR, MODE, ROLE = table("TRE_R02-SecteurActivite"), table("TRE_R23-ModeExercice"), table("TRE_R21-Fonction")


def coding(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def identifier(kind: str, system: str, value: str) -> Json:
    typed = coding(f"{FR_CORE}/CodeSystem/fr-core-cs-v2-0203", kind)
    return {"use": "official", "type": typed, "system": system, "value": value}


def mailbox(address: str, kind: str | None, **texts: str) -> Json:
    """A contact point of the profile as-mailbox-mss."""
    marked = {"system": table("TRE_R256-TypeMessagerie"), "code": "MSSANTE"}
    extensions = [{"url": f"{FR_CORE}/StructureDefinition/fr-core-contact-point-email-type", "valueCoding": marked}]
    inner = [{"url": name, "valueString": text} for name, text in texts.items()]
    if kind is not None:
        inner.append({"url": "type", "valueCodeableConcept": coding(table("TRE_R257-TypeBAL"), kind)})
    if inner:
        extensions.append({"url": f"{PROFILES}/as-ext-mailbox-mss-metadata", "extension": inner})
    return {"extension": extensions, "system": "email", "value": address}


def practitioner(
    rpps: str, number: str = "003-1-1", family: str = "VIRTUEL", given: str = "CAMILLE", **members: Any
) -> Json:
    return {
        "resourceType": "Practitioner",
        "id": number,
        "active": True,
        "identifier": [
            identifier("IDNPS", "urn:oid:1.2.250.1.71.4.2.1", f"8{rpps}"),
            identifier("RPPS", "https://rpps.esante.gouv.fr", rpps),
        ],
        "name": [{"use": "usual", "family": family, "given": [given], "prefix": ["M"], "suffix": ["DR"]}],
        "telecom": [mailbox("camille.virtuel@medecin.mssante.fr", "PER")],
        "qualification": [
            {"code": coding(table("TRE_R48-DiplomeEtatFrancais"), "DE05")},
            {"code": {"coding": [{"system": PROFESSION, "code": "10"}, {"system": table("TRE_R09-CategorieProfessionnelle"), "code": "C"}]}},
            {"code": {"coding": [{"system": SPECIALITY, "code": "SM26"}, {"system": table("TRE_R04-TypeSavoirFaire"), "code": "S"}]}},
        ],
        **members,
    }  # fmt: skip


def role(number: str, who: str, where: str | None, mode: str = "L", **members: Any) -> Json:
    link = {} if where is None else {"organization": {"reference": f"Organization/{where}"}}
    return {
        "resourceType": "PractitionerRole",
        "id": number,
        "active": True,
        "identifier": [{"system": "https://rpps.esante.gouv.fr", "value": f"10{number[-3:]}"}],
        "practitioner": {"reference": f"Practitioner/{who}"},
        "code": [coding(table("TRE_R22-GenreActivite"), "GENR01"), coding(MODE, mode), coding(ROLE, "FON-AU")],
        **link,
        **members,
    }


def organization(number: str, name: str, *identifiers: Json, sector: str = "SA07", **members: Any) -> Json:
    return {
        "resourceType": "Organization",
        "id": number,
        "active": True,
        "identifier": list(identifiers),
        "name": name,
        "type": [coding(f"{FR_CORE}/CodeSystem/fr-core-cs-v2-3307", "GEOGRAPHICAL-ENTITY"), coding(SECTOR, sector)],
        **members,
    }


def rpps_numbers(first: int = 9_970_000_100) -> Iterator[str]:
    """Numbers of the test range, with their keys."""
    for body in range(first, first + 10_000):
        digits = [int(one) * (2 - place % 2) for place, one in enumerate(reversed(str(body)))]
        yield f"{body}{-sum(one - 9 if one > 9 else one for one in digits) % 10}"


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    at: float


Reply = tuple[int, dict[str, str], bytes]
Special = Callable[["FhirDirectory", BaseHTTPRequestHandler], Reply | None]
"""Says something else than the directory would; None: has said all itself, on the handler's own socket."""


@dataclass
class FhirDirectory:
    """`resources` are what it knows. The next requests meet `specials`, one each; `always` meets every one."""

    resources: list[Json] = field(default_factory=list)
    specials: deque[Special] = field(default_factory=deque)
    always: Special | None = None
    page_size: int = 50
    seen: list[Seen] = field(default_factory=list)
    refused: int = 0
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}{BASE}"

    def answer(self, request: Seen) -> Reply:
        if request.headers.get("esante-api-key") != KEY:
            return outcome(401, "security", "no valid API key")
        if self._is_over_ceiling(request):
            self.refused += 1
            return outcome(429, "throttled", "17 calls a second", {"Retry-After": "1"})
        kind = request.path.removeprefix(BASE + "/")
        if kind == "_page":
            return self._page(json.loads(request.query["id"]))
        if kind not in ("Practitioner", "PractitionerRole"):
            return outcome(400, "processing", f"unknown resource type {kind!r}")
        return self._page({"kind": kind, "query": request.query, "from": 0})

    def _is_over_ceiling(self, request: Seen) -> bool:
        return sum(request.at - 1 < one.at <= request.at for one in list(self.seen)) > CEILING

    def _page(self, search: Json) -> Reply:
        found = self._find(search["kind"], search["query"])
        first = search["from"]
        last = first + min(self.page_size, int(search["query"].get("_count", 50)))
        links = [{"relation": "self", "url": f"{self.url}/{search['kind']}"}]
        if last < len(found):
            links.append(
                {"relation": "next", "url": f"{self.url}/_page?id={quote(json.dumps({**search, 'from': last}))}"}
            )
        return bundle(found[first:last], links, len(found))

    def _find(self, kind: str, query: dict[str, str]) -> list[Json]:
        mine = [one for one in self.resources if one["resourceType"] == kind]
        if kind == "Practitioner":
            value = query["identifier"].rpartition("|")[2]
            return [one for one in mine if value in [known["value"] for known in one["identifier"]]]
        ids = {f"Practitioner/{number}" for number in query["practitioner"].split(",")}
        roles = [one for one in mine if one["practitioner"]["reference"] in ids]
        wanted = {one["organization"]["reference"] for one in roles if "organization" in one}
        included = [
            one
            for one in self.resources
            if f"Organization/{one['id']}" in wanted and one["resourceType"] == "Organization"
        ]
        return [*roles, *(included if query.get("_include") == "PractitionerRole:organization" else ())]


def bundle(found: list[Json], links: list[Json], total: int | None = None) -> Reply:
    entries = [{"fullUrl": f"https://example.invalid/{one.get('id')}", "resource": one} for one in found]
    content = {"resourceType": "Bundle", "type": "searchset", "total": total, "entry": entries, "link": links}
    return 200, {"Content-Type": "application/fhir+json"}, json.dumps(content).encode()


def outcome(status: int, code: str, text: str, headers: dict[str, str] | None = None) -> Reply:
    content = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code, "diagnostics": text}]}
    return status, {"Content-Type": "application/fhir+json", **(headers or {})}, json.dumps(content).encode()


def say(status: int, body: bytes = b"", **headers: str) -> Special:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda directory, handler: (status, named, body)


class _Handler(BaseHTTPRequestHandler):
    directory: FhirDirectory

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Seen(parts.path, dict(parse_qsl(parts.query)), headers, time.monotonic())
        with self.directory.lock:
            self.directory.seen.append(request)
            special = self.directory.specials.popleft() if self.directory.specials else self.directory.always
        with contextlib.suppress(OSError):
            reply = special(self.directory, self) if special else self.directory.answer(request)
            if reply is not None:
                self._send(*reply)

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def fhir_directory(folder: Path) -> Iterator[FhirDirectory]:
    """Serve until the block ends; the authority of its certificate is folder/ca.pem."""
    directory = FhirDirectory()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"directory": directory}))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # callers that hang up
    server.socket = _server_context(folder).wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    directory.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield directory
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _server_context(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "directory of the test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(private + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context
