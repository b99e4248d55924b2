"""node's oidc-provider in the place of Pro Santé Connect, over TLS on loopback (oidc_provider.mjs says how it differs)."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import ipaddress
import json
import ssl
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from support.node_driver import Driver, run_driver

SCRIPT = Path(__file__).with_suffix(".mjs")
CLIENT_ID, SECRET = "logiciel-essai", "un-secret-de-test-0001"
DOCTOR, NURSE = "899700002712", "899700002720"  # the first is the holder of the virtual CPS
SUBJECT_PREFIX = "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:"
CALLBACK = "http://127.0.0.1/callback"
Json = dict[str, Any]


def person(national_id: str, family_name: str, given_name: str, profession: str = "10") -> Json:
    """The claims of a professional, as Pro Santé Connect's userinfo has them."""
    return {
        "SubjectNameID": national_id,
        "PSISubjectNameID": "",
        "preferred_username": national_id,
        "given_name": given_name,
        "family_name": family_name,
        "email_verified": False,
        "Secteur_Activite": "SA07^1.2.250.1.71.4.2.4",
        "SubjectRole": [f"{profession}^1.2.250.1.213.1.1.5.5"],
        "Palier_Authentification": "APPPRIP3^1.2.250.1.213.1.5.1.1.1",
        "UITVersion": "1.0",
        "otherIds": [{"identifiant": national_id, "origine": "RPPS", "qualite": 1}],
        "SubjectRefPro": {"codeCivilite": "M", "exercices": [{"codeProfession": profession, "activities": []}]},
    }


PERSONS: Mapping[str, Json] = {
    SUBJECT_PREFIX + DOCTOR: person(DOCTOR, "VIRTUEL", "CAMILLE"),
    SUBJECT_PREFIX + NURSE: person(NURSE, "SOIGNANT", "DOMINIQUE", "60"),
}


def client(
    client_id: str = CLIENT_ID, method: str = "client_secret_post", redirect: str = CALLBACK, **members: Any
) -> Json:
    """A client as the provider knows it; a native one, whose loopback port is its own choice (RFC 8252 §7.3)."""
    secret = {"client_secret": SECRET} if method.startswith("client_secret") else {}
    return {
        "client_id": client_id,
        "application_type": "native",
        "token_endpoint_auth_method": method,
        "grant_types": [
            "authorization_code",
            "refresh_token",
            "urn:openid:params:grant-type:ciba",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ],
        "response_types": ["code"],
        "redirect_uris": [redirect],
        "backchannel_token_delivery_mode": "poll",
        "subject_type": "public",
        **secret,
        **members,
    }


@dataclass(frozen=True)
class Provider:
    """A running provider. `discovery`: its document, on Pro Santé Connect's own name; `wallet`: what browsers see."""

    driver: Driver
    issuer: str
    wallet: str
    discovery: str
    authority: Path
    clients: Sequence[Json] = field(repr=False)

    def tell(self, command: str, **given: Any) -> Any:
        """Run one command of the provider."""
        return self.driver.call(command, **given)

    def change(self, path: str, **change: Any) -> None:
        """Have something go wrong at a path, or with each `access-token`; see `intervene` in the script."""
        self.tell("change", path=path, **change)

    def restore(self) -> None:
        """Have everything right again, and nothing known of what was asked."""
        self.tell("restore")
        self.tell("asked")

    def introspect(self, token: str) -> Json:
        """What the provider says of a token to its first client (RFC 7662)."""
        form = {"token": token, "client_id": self.clients[0]["client_id"], "client_secret": SECRET}
        request = urllib.request.Request(f"{self.issuer}/token/introspection", urlencode(form).encode())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), self.https())
        with opener.open(request, timeout=20) as answer:
            return dict(json.load(answer))

    def https(self) -> urllib.request.HTTPSHandler:
        """Believe its authority."""
        return urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(self.authority)))

    @property
    def hosts(self) -> tuple[str, str]:
        """Host and port of tokens, and of what browsers see."""
        return self.issuer.removeprefix("https://"), self.wallet.removeprefix("https://")

    def catalog(self, program: str, **client: Any) -> str:
        """A file of services with this issuer as `essai` and its first client as `logiciel`."""
        members = {"authentication": "client_secret_post", **client}
        lines = [f"{name} = {_toml(value)}" for name, value in members.items()]
        return "\n".join(
            [
                "[issuers.essai]",
                'title = "Pro Santé Connect (essai)"',
                f'discovery = "{self.discovery}"',
                f'hosts = ["{self.hosts[1]}"]',
                "[clients.logiciel]",
                f'client_id = "{self.clients[0]["client_id"]}"',
                'issuer = "essai"',
                f'programs = ["{program}"]',
                *lines,
                "",
            ]
        )


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def claims_of(token: str) -> Json:
    """The claims of a JWT, believed as they are."""
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


@contextlib.contextmanager
def oidc_provider(
    folder: Path,
    clients: Sequence[Json] | None = None,
    lifetimes: Mapping[str, int] | None = None,
    client_authorities: Sequence[Path] = (),
) -> Iterator[Provider]:
    """Run one. `lifetimes` in seconds: accessToken, refreshToken; `client_authorities`: PEM, of certificates in TLS."""
    authority, tls = make_server_certificate(folder)
    tls["ca"] = [authority.read_text(), *(path.read_text() for path in client_authorities)]
    known = list(clients or [client()])
    with run_driver(SCRIPT) as driver:
        places = driver.call("start", tls=tls, persons=dict(PERSONS), clients=known, lifetimes=dict(lifetimes or {}))
        yield Provider(driver, **places, authority=authority, clients=known)


def make_server_certificate(folder: Path) -> tuple[Path, dict[str, Any]]:
    """An authority's file, and key and certificate (PEM) that it issued to this computer."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority of the OpenID provider")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    usage = _usage(signs_certificates=True)
    ca = (
        _start(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    places = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = (
        _start(name, ca_name, key.public_key())
        .add_extension(x509.SubjectAlternativeName(places), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    path = folder / "oidc-authority.pem"
    path.write_bytes(ca.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return path, {"key": pem, "cert": leaf.public_bytes(Encoding.PEM).decode()}


def _start(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    return x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), now - day, now + day)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
