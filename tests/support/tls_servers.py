"""Servers of others that ask for client certificates: nginx and OpenSSL's own, with certificates of a test authority."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DMP_SUITES = (
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
"""What the DMP takes of practice software (PDT-INF-579)."""
SESSIONS = "ssl_session_cache shared:all:1m;"
LOCALHOST = (x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1")))


@functools.cache
def _keys() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    """One for authorities, one for everybody else: making them takes longest."""
    return rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def _usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in USAGES})


@dataclass(frozen=True)
class Authority:
    """A root of servers and clients; all its certificates are of one key."""

    name: str = "TEST AC SERVEURS"

    @functools.cached_property
    def der(self) -> bytes:
        constraints, usage = x509.BasicConstraints(ca=True, path_length=None), _usage("key_cert_sign", "crl_sign")
        return self._sign(_named(self.name), _keys()[0].public_key(), [(constraints, True), (usage, True)])

    def issue(
        self, names: Sequence[x509.GeneralName] = LOCALHOST, days: tuple[int, int] = (-1, 2), name: str = "server"
    ) -> bytes:
        """A certificate in DER, valid between these days from now."""
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        usage = _usage("digital_signature", "key_encipherment")
        extensions = [(x509.SubjectAlternativeName(names), False), (purposes, False), (usage, True)]
        return self._sign(_named(name), _keys()[1].public_key(), extensions, days)

    @property
    def key(self) -> rsa.RSAPrivateKey:
        """That of whatever it issues."""
        return _keys()[1]

    def _sign(
        self,
        subject: x509.Name,
        public: rsa.RSAPublicKey,
        extensions: Sequence[tuple[x509.ExtensionType, bool]],
        days: tuple[int, int] = (-1, 2),
    ) -> bytes:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(_named(self.name), subject, public, x509.random_serial_number())
        builder = builder.not_valid_before(now + timedelta(days[0])).not_valid_after(now + timedelta(days[1]))
        own = x509.SubjectKeyIdentifier.from_public_key(public)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(_keys()[0].public_key())
        for extension, critical in [*extensions, (own, False), (issuer, False)]:  # as Python 3.13 wants them
            builder = builder.add_extension(extension, critical)
        return builder.sign(_keys()[0], hashes.SHA256()).public_bytes(Encoding.DER)


@dataclass(frozen=True)
class ServerTerms:
    """How a server speaks. `clients_der`: the authorities of those who may come in; none: anybody may.

    `signatures`: the kinds of signature that it asks clients for, as OpenSSL names them. `folder`: a new one.
    """

    folder: Path
    clients_der: tuple[bytes, ...] = ()
    authority: Authority = field(default_factory=Authority)
    certificate_der: bytes | None = None
    key: rsa.RSAPrivateKey | None = None
    chain_der: tuple[bytes, ...] = ()
    versions: tuple[str, ...] = ("TLSv1.2",)
    suites: tuple[str, ...] = DMP_SUITES
    signatures: str | None = None
    sessions: str = SESSIONS

    def write(self) -> None:
        """server.pem, server.key and clients.pem."""
        self.folder.mkdir(exist_ok=True)
        _write(self.folder / "server.pem", self.certificate_der or self.authority.issue(), *self.chain_der)
        _write(self.folder / "clients.pem", *self.clients_der)
        key = (self.key or self.authority.key).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "server.key").write_bytes(key)


def _write(path: Path, *certificates_der: bytes) -> None:
    parsed = map(x509.load_der_x509_certificate, certificates_der)
    path.write_bytes(b"".join(certificate.public_bytes(Encoding.PEM) for certificate in parsed))


@dataclass(frozen=True)
class TlsServer:
    """Where it listens, and whose certificates it has."""

    port: int
    folder: Path
    authority: Authority
    commands: IO[bytes] | None = None

    def command(self, line: str) -> None:
        """Have s_server do or say something (openssl-s_server(1), "CONNECTED COMMANDS")."""
        assert self.commands
        self.commands.write(line.encode() + b"\n")
        self.commands.flush()

    @property
    def log(self) -> str:
        """What it says of itself."""
        return (self.folder / "error.log").read_text()


NGINX = """
{user}
daemon off; worker_processes 1; error_log error.log info; pid nginx.pid;
events {{ worker_connections 256; }}
http {{
  access_log off; client_max_body_size 200m; server_tokens off; keepalive_requests 100000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate server.pem; ssl_certificate_key server.key;
    ssl_protocols {versions}; ssl_ciphers {suites}; {sessions}
    {clients}
    {signatures}
    location / {{
      default_type text/plain;
      return 200 "$ssl_client_verify $ssl_protocol $ssl_cipher $ssl_session_reused $ssl_client_serial\\n";
    }}
    {locations}
  }}
}}
"""


@contextlib.contextmanager
def nginx(terms: ServerTerms, locations: str = "") -> Iterator[TlsServer]:
    """nginx; it tells whoever asks for / how it sees them. `locations`: whatever else it is to serve."""
    terms.write()
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        port = listener.getsockname()[1]
        clients = "ssl_client_certificate clients.pem; ssl_verify_client on; ssl_verify_depth 4;"
        signatures = f"ssl_conf_command ClientSignatureAlgorithms {terms.signatures};"
        configuration = NGINX.format(
            user="user root;" if os.geteuid() == 0 else "",  # the folders of tests are closed to others
            port=port,
            versions=" ".join(terms.versions),
            suites=":".join(terms.suites),
            sessions=terms.sessions,
            clients=clients if terms.clients_der else "",
            signatures=signatures if terms.signatures else "",
            locations=locations,
        )
        (terms.folder / "nginx.conf").write_text(configuration)
        command = ["nginx", "-p", str(terms.folder), "-c", "nginx.conf", "-e", "error.log"]
        environment = {**os.environ, "NGINX": f"{listener.fileno()};"}  # it takes over this socket: no port is lost
        process = subprocess.Popen(command, env=environment, pass_fds=[listener.fileno()])
    with _ending(process):
        yield TlsServer(port, terms.folder, terms.authority)


@contextlib.contextmanager
def s_server(terms: ServerTerms, *flags: str, commanded: bool = False) -> Iterator[TlsServer]:
    """OpenSSL's own server, which answers any request with what it knows of the connection, or does as it is told."""
    terms.write()
    versions = [f"-{version.lower().replace('v', '').replace('.', '_')}" for version in terms.versions]
    clients = ["-Verify", "4", "-verify_return_error", "-CAfile", "clients.pem"] if terms.clients_der else []
    signatures = ["-client_sigalgs", terms.signatures] if terms.signatures else []
    suites = ["-cipher", ":".join(terms.suites)]
    own = ["-cert", "server.pem", "-cert_chain", "server.pem", "-key", "server.key", "-accept", "127.0.0.1:0"]
    own += [] if commanded else ["-www"]
    command = ["openssl", "s_server", *own, *versions, *suites, *clients, *signatures, *flags]
    with (terms.folder / "error.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=terms.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    with _ending(process):
        assert process.stdout
        yield TlsServer(_read_port(process.stdout), terms.folder, terms.authority, process.stdin)


def _read_port(output: IO[bytes]) -> int:
    for line in output:
        if line.startswith(b"ACCEPT"):
            return int(line.rpartition(b":")[2])
    raise AssertionError("s_server did not start")


@contextlib.contextmanager
def _ending(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
