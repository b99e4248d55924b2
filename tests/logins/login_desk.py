"""A workstation whose browsers use its cards through the door: pcscd, the agent, the sites, and a person's home."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID
from login_browsers import KINDS, Home, Kind, make_home, run
from login_sites import Site, Sites, run_sites
from login_strict import run_strict_site
from support.chromium import need
from support.node_driver import ROOT
from support.pcscd import PcscdHandle, private_pcscd, why_unavailable
from support.processes import agent_program, command, virtual_card
from support.waiting import wait_until

from agent.certificates.test_root import TestRoot
from agent.client import Client
from drivers.virtual.store import pki_folder

PROGRAMS = ("firefox-esr", "chromium", "nginx", "node", "certutil", "modutil", "unshare")


def why_no_logins() -> str:
    """What a login by a browser needs and this machine lacks."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if not (ROOT / "node_modules" / "puppeteer-core").is_dir():
        missing.append("puppeteer-core (npm ci)")
    return ", ".join(missing) or why_unavailable() or ""


@dataclass
class Desk:
    """The running programs; a card to insert and pull."""

    pcscd: PcscdHandle
    client: Client
    sites: Sites
    strict: Site
    home: Home
    card: ExitStack = field(default_factory=ExitStack)

    def insert(self, kind: str = "cps3") -> bytes:
        """Put a card in, and wait until the agent has read it; gives its authentication certificate."""
        self.pull()
        self.card.enter_context(virtual_card(self.home.data, self.pcscd.vpcd_port, "--kind", kind))
        wait_until(lambda: "ready" in self.reader_states(), "the card")
        return self.certificate()

    def certificate(self) -> bytes:
        """The authentication certificate of the card that is there."""
        (card,) = self.client.cards()
        (path,) = (self.home.data / "virtual" / "cards" / card["number"]).glob("authentication-*.der")
        return path.read_bytes()

    def pull(self) -> None:
        """Take the card out, and wait until the agent has seen it; does nothing when there is none."""
        self.card.close()
        wait_until(lambda: set(self.reader_states()) == {"empty"}, "the reader without its card")

    def told(self, action: str, kind: Kind) -> int:
        """How often the journal says that a browser has done something, or was told of it."""
        entries = [each for each in self.client.journal() if each["action"] == action]
        return sum(each["count"] for each in entries if Path(each["caller"]).name.startswith(kind.name))

    def reader_states(self) -> list[str]:
        return [reader["state"] for reader in self.client.status().get("readers", [])]


@contextmanager
def run_desk(made_folder: Path, folder: Path, *flags: str, environment: dict[str, str] | None = None) -> Iterator[Desk]:
    """Run everything until the block ends; the reader is empty at first, and the browsers' databases know the door."""
    need(why_no_logins())
    (folder / "run").mkdir(mode=0o700)
    home = make_home(folder / "home", folder / "run")
    shutil.copytree(made_folder, home.data)
    (folder / "sites").mkdir()
    with ExitStack() as stack:
        sites = stack.enter_context(run_sites(folder / "sites", pki_folder(home.data)))
        pcscd = stack.enter_context(private_pcscd())
        env = home.env | {"PCSCLITE_CSOCK_NAME": str(pcscd.socket_path)} | (environment or {})
        client = stack.enter_context(agent_program(home.data, *flags, env=env))
        strict = stack.enter_context(run_strict_site(folder / "sites"))
        desk = Desk(pcscd, client, sites, strict, home)
        with desk.card:
            set_up(desk)
            yield desk


def set_up(desk: Desk) -> None:
    """What the person and the administrator do once, with the browsers closed."""
    home = desk.home
    run(*command("modules", "setup", "--yes", "--data-dir", str(home.data)), env=home.env)
    for path in ("chromium/policies/managed", "firefox/policies", "pkcs11/modules"):
        (home.etc / path).mkdir(parents=True)  # whoever is root in a name space alone may not add to the machine's own
    issuers = [option for der in TestRoot(home.data).authorities_der() for option in ("--issuer", _common_name(der))]
    for_all = command("modules", "setup", "--system", "--yes", "--site", "https://dmp.test", *issuers)
    keep = ("sh", "-c", '"$@" && cp -r /etc/firefox /etc/chromium "$0"', str(home.etc))
    run(*home.in_its_etc("setup"), *keep, *for_all, env=home.env)
    # With a second certificate to choose from, Chromium would ask: no test answers, so only one is ever offered.
    home.write_policy("chromium/policies/managed/tests.json", {"PromptOnMultipleMatchingCertificates": True})
    for kind in KINDS:
        home.trust(kind.database(home), desk.sites.authority)


def _common_name(certificate_der: bytes) -> str:
    (name,) = x509.load_der_x509_certificate(certificate_der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)
