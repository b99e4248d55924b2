"""Sites that want a client certificate of the test PKI, by nginx: as the DMP has it, and with TLS 1.3 alone."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from support.openssl import openssl
from support.waiting import wait_until

DMP_SUITES = (
    "ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305"
)
"""What the DMP takes of a browser with a card: TLS 1.2 alone, with these (PDT-INF-579 v4)."""

SERVER = """server {{
    listen 127.0.0.1:{port} ssl;
    ssl_protocols {protocol};
    ssl_client_certificate {folder}/{named}.pem;
    {more}
    return 200 "$ssl_protocol $ssl_client_serial $ssl_client_s_dn";
  }}
  """

# Nothing is resumed and no connection kept, unless a server says so: each visit is a handshake, which needs the card.
CONFIGURATION = """
daemon off;
worker_processes 1;
user {user};
pid {folder}/pid;
error_log {folder}/error.log info;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/temporary;
  proxy_temp_path {folder}/temporary;
  fastcgi_temp_path {folder}/temporary;
  uwsgi_temp_path {folder}/temporary;
  scgi_temp_path {folder}/temporary;
  keepalive_timeout 0;
  ssl_certificate {folder}/site.pem;
  ssl_certificate_key {folder}/site.key.pem;
  ssl_ciphers {suites};
  ssl_session_cache off;
  ssl_session_tickets off;
  ssl_verify_client on;
  ssl_verify_depth 3;
  ssl_trusted_certificate {folder}/both.pem;
  default_type text/plain;
  add_header Cache-Control no-store;
  {servers}
}}
"""


@dataclass(frozen=True)
class Site:
    """One site on this computer."""

    port: int

    @property
    def url(self) -> str:
        return f"https://dmp.test:{self.port}/"


@dataclass(frozen=True)
class Sites:
    """`authority`: what browsers have to trust. A `_root` names the root alone, the others the issuing authority as well.
    `kept` goes on with the TLS session of an earlier visit; with the others, each visit is a login."""

    authority: Path
    dmp: Site
    dmp_root: Site
    tls13: Site
    tls13_root: Site
    kept: Site


KEPT = "ssl_session_cache shared:kept:1m; keepalive_timeout 60;"
KINDS = (
    ("TLSv1.2", "both", ""),
    ("TLSv1.2", "root", ""),
    ("TLSv1.3", "both", ""),
    ("TLSv1.3", "root", ""),
    ("TLSv1.2", "both", KEPT),
)


@contextmanager
def run_sites(folder: Path, pki: Path) -> Iterator[Sites]:
    """Serve until the block ends; `pki`: where root.pem and issuing.pem of the test PKI are."""
    _write_certificates(folder, pki)
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in KINDS]
    ports = [listener.getsockname()[1] for listener in listeners]
    (folder / "nginx.conf").write_text(_configuration(folder, ports))
    descriptors = [listener.fileno() for listener in listeners]
    # nginx takes the sockets as those of an nginx that it replaces: no port can be lost to another program.
    inherited = os.environ | {"NGINX": "".join(f"{descriptor};" for descriptor in descriptors)}
    command = ("nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log"))
    process = subprocess.Popen(command, pass_fds=descriptors, env=inherited)
    try:
        for listener in listeners:
            listener.close()
        wait_until(lambda: (folder / "pid").exists() or process.poll() is not None, "nginx")
        assert process.poll() is None, (folder / "error.log").read_text()
        yield Sites(folder / "authority.pem", *map(Site, ports))
    finally:
        process.terminate()
        process.wait(20)


def _configuration(folder: Path, ports: list[int]) -> str:
    servers = "".join(
        SERVER.format(folder=folder, port=port, protocol=protocol, named=named, more=more)
        for port, (protocol, named, more) in zip(ports, KINDS, strict=True)
    )
    return CONFIGURATION.format(folder=folder, user=getpass.getuser(), suites=DMP_SUITES, servers=servers)


def _write_certificates(folder: Path, pki: Path) -> None:
    """The authorities that the sites name, and a certificate of their own by authority.pem, which browsers are to trust."""
    root, issuing = ((pki / f"{name}.pem").read_text() for name in ("root", "issuing"))
    (folder / "root.pem").write_text(root)
    (folder / "both.pem").write_text(issuing + root)
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl(folder, *new, "-subj", "/CN=Sites", "-keyout", "authority.key.pem", "-out", "authority.pem")
    names = ("-addext", "subjectAltName=DNS:dmp.test", "-addext", "basicConstraints=critical,CA:FALSE")
    by = ("-CA", "authority.pem", "-CAkey", "authority.key.pem")
    openssl(folder, *new, *by, *names, "-subj", "/CN=dmp.test", "-keyout", "site.key.pem", "-out", "site.pem")


def logged_in(protocol: str, certificate_der: bytes) -> str:
    """How a site greets whoever has logged in with this certificate."""
    serial = f"{x509.load_der_x509_certificate(certificate_der).serial_number:X}"
    return f"{protocol} {serial.zfill(len(serial) + len(serial) % 2)} "
