"""A workstation with a virtual CPS, a structure's certificate and an agent; a DMP and an INSi behind nginx; all loopback."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from support.dmp_service import Dmp, dmp_service
from support.insi_service import Insi, insi_service
from support.openssl import write_pem
from support.organisations import OrganisationKey, certify
from support.p12 import pem_file
from support.processes import agent_program, command
from support.soap_service import SoapService, behind_nginx
from support.tls_servers import Authority

from agent.client import Client
from drivers.virtual.organisations import Organisation

EXAMPLES = Path(__file__).parent
ENGLISH = {**os.environ, "LC_ALL": "C.UTF-8"}
SERVICE = """
[services.{name}]
title = "{title}"
url = "https://localhost:{port}/services"
certificate = "{certificate}"
assertion = "{assertion}"
methods = ["POST"]
"""


@dataclass
class Ran:
    """How a program ended, and the facts that it printed."""

    status: int
    facts: dict[str, str]
    error: str


@dataclass
class Workstation:
    """`number`: of the structure's certificate, which opens INSi."""

    folder: Path
    dmp: Dmp
    dmp_service: SoapService
    insi: Insi
    insi_service: SoapService
    number: str = ""
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


@pytest.fixture(scope="session")
def whole_workstation(made_organisations: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workstation]:
    """One for all examples: starting it takes a while."""
    base = tmp_path_factory.mktemp("workstation")
    folder = Path(shutil.copytree(made_organisations, base / "data"))
    structure = certify(folder, OrganisationKey.make("AUTH_CLI", organisation=Organisation(common_name="INSI-AUTO")))
    with ExitStack() as stack:
        for name in ("dmp", "insi"):
            (base / name).mkdir()
        dmp, behind_dmp = stack.enter_context(dmp_service(base / "dmp", folder))
        insi, behind_insi = stack.enter_context(insi_service(base / "insi", folder))
        fronts = {
            "dmp": stack.enter_context(behind_nginx(behind_dmp, base / "dmp-front", folder)),
            "insi": stack.enter_context(behind_nginx(behind_insi, base / "insi-front", folder)),
        }
        write_pem(base / "authority.pem", Authority().der)
        (base / "services.toml").write_text(
            SERVICE.format(name="dmp", title="DMP d'essai", port=fronts["dmp"].port, certificate="card", assertion="vihf")
            + SERVICE.format(name="insi", title="INSi d'essai", port=fronts["insi"].port, certificate="software", assertion="insi")
        )  # fmt: skip
        env = {**ENGLISH, "CPS_AGENT_SERVICES": str(base / "services.toml"), "CPS_AGENT_SOFTWARE_KEYS": "passphrase"}
        flags = ("--virtual", "--unattended", "--test-authority", str(base / "authority.pem"))
        client = stack.enter_context(agent_program(folder, *flags, env=env))
        made = Workstation(folder, dmp, behind_dmp, insi, behind_insi)
        made.certificates = _read_certificates(client)
        made.number = client.import_certificate("insi.pem", pem_file(structure))[0]["cardNumber"]
        yield made


@pytest.fixture
def workstation(whole_workstation: Workstation) -> Workstation:
    """The same, whose services have seen nobody yet."""
    for service in (whole_workstation.dmp_service, whole_workstation.insi_service):
        service.calls.clear()
        service.refuses = None
    return whole_workstation


def _read_certificates(client: Client) -> dict[str, x509.Certificate]:
    """Those of the card by their role."""
    return {
        each["role"]: x509.load_der_x509_certificate(base64.b64decode(each["certificate"]))
        for each in client.certificates()
    }
