"""A workstation with a virtual CPS, a structure's certificate and an agent; a DMP and an INSi behind nginx; all loopback."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from support.dmp_service import Dmp, dmp_service
from support.insi_service import Insi, insi_service
from support.mail_desk import MailServers, mail_servers
from support.oidc_provider import DOCTOR, Provider, client, oidc_provider
from support.openssl import write_pem
from support.organisations import OrganisationKey, certify
from support.plain_browser import write_browser
from support.processes import agent_program, command
from support.soap_service import SoapService, behind_nginx
from support.software import keep, store_of
from support.tls_servers import Authority, ServerTerms, nginx

from agent.client import Client
from drivers.software.token import open_tokens
from drivers.virtual.organisations import Organisation

EXAMPLES = Path(__file__).parent.parent / "peers"
PASSPHRASE = "1234"  # the script's
ENGLISH = {**os.environ, "LC_ALL": "C.UTF-8", "PYTHONWARNINGS": "error"}
SERVICE = """
[services.{name}]
title = "{title}"
url = "{url}"
certificate = "{certificate}"
{more}
"""


MAILBOX = """
[mailboxes.camille]
address = "{address}"
holder = "{holder}"
client = "logiciel"
imap = "{imap}"
smtp = "{smtp}"
"""
API = "https://gateway.api.example"
ADDRESS = "camille@medecin.mssante.example"


@dataclass
class Ran:
    """How a program ended, and the facts that it printed."""

    status: int
    facts: dict[str, str]
    error: str


@dataclass
class Workstation:
    """`number`: of the structure's certificate; `certificates`: the card's, by role."""

    folder: Path
    number: str
    dmp: Dmp
    dmp_service: SoapService
    insi: Insi
    insi_service: SoapService
    provider: Provider
    mail: MailServers
    certificates: dict[str, x509.Certificate] = field(default_factory=dict)

    def run(self, example: str, *words: str, told: str = "") -> Ran:
        """Run an example as somebody else's program."""
        line = [sys.executable, str(EXAMPLES / example), "--data-dir", str(self.folder), *words]
        done = subprocess.run(
            line, input=told, capture_output=True, text=True, timeout=60, check=False, env=ENGLISH, cwd="/"
        )
        facts = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
        return Ran(done.returncode, facts, done.stderr)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the agent's."""
        line = command(*words, "--data-dir", str(self.folder))
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, env=ENGLISH)


@contextmanager
def open_workstation(base: Path, folder: Path) -> Iterator[Workstation]:
    """Everything runs until the block ends; `folder`: a data folder whose test PKI issues to organisations as well."""
    number, root = _keep_structure(folder, base)
    with ExitStack() as stack:
        for name in ("dmp", "insi", "psc"):
            (base / name).mkdir()
        dmp, behind_dmp = stack.enter_context(dmp_service(base / "dmp", folder))
        insi, behind_insi = stack.enter_context(insi_service(base / "insi", folder))
        dmp_front = stack.enter_context(behind_nginx(behind_dmp, base / "dmp-front", folder))
        insi_front = stack.enter_context(behind_nginx(behind_insi, base / "insi-front", folder))
        by_tls = client(method="tls_client_auth", tls_client_auth_subject_dn="INSI-AUTO")
        troubled = _start_troubled(stack, base)
        provider = stack.enter_context(oidc_provider(base / "psc", [by_tls], client_authorities=[root]))
        mail = stack.enter_context(mail_servers(lambda token: _is_known(provider, token)))
        mail.imap.deliver(ADDRESS, "Compte rendu")
        (base / "services.toml").write_text(
            _service("dmp", f"https://localhost:{dmp_front.port}/services", "card", 'assertion = "vihf"\nmethods = ["POST"]')
            + _service("insi", f"https://localhost:{insi_front.port}/services/lps", "software", 'assertion = "insi"')
            + _service("psc", provider.issuer, "software")
            + "".join(_service(name, url, "card") for name, url in troubled.items())
            + provider.catalog(os.path.realpath(sys.executable), authentication="tls_client_auth", certificate=number, audiences=[API])
            + MAILBOX.format(address=ADDRESS, holder=DOCTOR, imap=mail.imap.host, smtp=mail.smtp.host)
        )  # fmt: skip
        _write_authorities(base, provider.authority, mail.imap.authority, mail.smtp.authority)
        browser = write_browser(base / "browser", provider.authority, f"MOBILE-{DOCTOR}")
        env = {
            **ENGLISH,
            "CPS_AGENT_SERVICES": str(base / "services.toml"),
            "CPS_AGENT_SOFTWARE_KEYS": "passphrase",
            "CPS_AGENT_MAIL_IMAP_PORT": "0",
            "CPS_AGENT_MAIL_SMTP_PORT": "0",
            "PATH": f"{browser}:{os.environ['PATH']}",
        }
        flags = ("--virtual", "--unattended", "--test-authority", str(base / "authorities.pem"))
        asked = stack.enter_context(agent_program(folder, *flags, env=env))
        certificates = _read_certificates(asked)
        yield Workstation(folder, number, dmp, behind_dmp, insi, behind_insi, provider, mail, certificates)


def _keep_structure(folder: Path, base: Path) -> tuple[str, Path]:
    """A certificate that INSi and Pro Santé Connect know, in the agent's store; its number, and its root's file."""
    subject = Organisation(common_name="INSI-AUTO")
    key = certify(folder, OrganisationKey.make("AUTH_CLI", organisation=subject))
    keep(folder, key, PASSPHRASE)
    (token,) = open_tokens(store_of(folder))
    write_pem(base / "root.pem", *key.chain_der)
    return token.number, base / "root.pem"


def _start_troubled(stack: ExitStack, base: Path) -> dict[str, str]:
    """Services that fail, by the layer that is at fault."""
    stranger = stack.enter_context(nginx(ServerTerms(base / "stranger", authority=Authority("ANOTHER AUTHORITY"))))
    newer = stack.enter_context(nginx(ServerTerms(base / "newer", versions=("TLSv1.3",))))
    picky = stack.enter_context(nginx(ServerTerms(base / "picky", clients_der=(Authority().der,))))
    return {
        "name": "https://nowhere.invalid",
        "connection": "https://localhost:1",
        "tls": f"https://localhost:{newer.port}",
        "server-certificate": f"https://localhost:{stranger.port}",
        "own-certificate": f"https://localhost:{picky.port}",
    }


def _is_known(provider: Provider, token: str) -> bool:
    """Whether the provider knows who this access token is of."""
    asked = urllib.request.Request(f"{provider.issuer}/me", headers={"Authorization": f"Bearer {token}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), provider.https())
    try:
        with opener.open(asked, timeout=20):
            return True
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return False


def _write_authorities(base: Path, *others: Path) -> None:
    """Whom the agent is to believe."""
    write_pem(base / "authority.pem", Authority().der)
    known = (base / "authority.pem", *others)
    (base / "authorities.pem").write_text("".join(each.read_text() for each in known))


def _service(name: str, url: str, certificate: str, more: str = "") -> str:
    return SERVICE.format(name=name, title=f"{name} (essai)", url=url, certificate=certificate, more=more)


def _read_certificates(asked: Client) -> dict[str, x509.Certificate]:
    """Those of the card by their role."""
    (card,) = asked.cards()
    return {
        each["role"]: x509.load_der_x509_certificate(base64.b64decode(each["certificate"]))
        for each in asked.certificates()
        if each["cardNumber"] == card["number"]
    }
