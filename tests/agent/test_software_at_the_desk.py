"""Software certificates from end to end: the real command line, the real windows, the system's real key store, openssl."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.display import Display, find_missing_tools, virtual_display
from support.memory import needles, search_memory
from support.openssl import openssl, verify_cms, write_pem
from support.organisations import OrganisationKey
from support.p12 import p12_file
from support.processes import agent_program, command
from support.secret_service import secret_service, why_no_secret_service
from support.software import copy_folder
from support.waiting import wait_until

MISSING = [*find_missing_tools(), *filter(None, [why_no_secret_service()])]
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=f"needs {', '.join(MISSING)}")
TITLE = "CPS certificate"


@dataclass
class Desk:
    """A screen, an agent that asks on it, and the folder that commands run in."""

    screen: Display
    folder: Path
    env: dict[str, str]
    pid: int
    place: Path
    said: str = ""
    answered: set[str] = field(default_factory=set)

    @contextlib.contextmanager
    def begin(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command that waits for the person meanwhile; it must end well."""
        process = subprocess.Popen(
            command(*arguments, "--data-dir", str(self.folder)),
            env=self.env,
            cwd=self.place,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        yield process
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        self.said = out

    def window(self, title: str = TITLE) -> None:
        """The next window of that title that listens; the last one may not be gone yet."""
        wait_until(lambda: self.list_new(title), f"a window {title}")
        ((process, window), *_) = self.list_new(title).items()
        self.answered.add(process)
        self.screen.focus(window)

    def list_new(self, title: str) -> dict[str, str]:
        """Windows by their processes: each question has one of its own, while X gives out the same ids again."""
        found = {}
        for window in self.screen.list_windows(f"^{title}$"):
            with contextlib.suppress(subprocess.CalledProcessError):  # gone meanwhile
                found[self.screen.run("xdotool", "getwindowpid", window).strip()] = window
        return {process: window for process, window in found.items() if process not in self.answered}

    def type_passphrase(self, *passphrases: str) -> None:
        self.window()
        for passphrase in passphrases:
            self.screen.type_text(passphrase)
            self.screen.press("Return")

    def confirm(self, title: str = TITLE) -> None:
        self.window(title)
        self.screen.press("shift+Tab", "space")


@pytest.fixture(scope="module")
def desk(made_organisations: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    place = tmp_path_factory.mktemp("desk")
    folder = copy_folder(made_organisations, place)
    with virtual_display() as screen, secret_service(place / "secrets") as bus:
        env = {**os.environ, "DISPLAY": screen.name, "DBUS_SESSION_BUS_ADDRESS": bus, "LC_ALL": "C.UTF-8"}
        env.pop("WAYLAND_DISPLAY", None)
        with agent_program(folder, "--virtual", "--prompt", "dialog", "--language", "en", env=env):
            yield Desk(screen, folder, env, find_daemon(folder), place)


def find_daemon(folder: Path) -> int:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"serve" in words and str(folder).encode() in words:
                    return int(entry.name)
    raise LookupError("the agent does not run")


def passphrase() -> str:
    return f"mot {secrets.token_hex(8)} !"


def import_file(desk: Desk, key: OrganisationKey, words: str, *options: str) -> None:
    """Lay the file down where the command finds it."""
    (desk.place / "cabinet.p12").write_bytes(p12_file(desk.place / "p12", key, words, *options))


def sign(desk: Desk, number: str) -> subprocess.Popen[str]:
    (desk.place / "lettre.txt").write_bytes(b"content")
    return desk.begin("sign", "lettre.txt", "--force", "--card", number)


def check_signature(desk: Desk, key: OrganisationKey) -> None:
    write_pem(desk.place / "root.pem", key.chain_der[-1])
    verify_cms(desk.place, (desk.place / "lettre.txt.p7s").read_bytes(), b"content")


def require_forgotten(desk: Desk, words: str) -> None:
    """Only root may look into the memory of an agent that forbids it."""
    if os.geteuid() == 0:
        assert search_memory(desk.pid, needles(words)) == []


def test_old_file_goes_into_the_key_store_and_signs(desk: Desk, organisation_keys: dict[str, OrganisationKey]) -> None:
    key, words = organisation_keys["SIGN"], passphrase()
    import_file(desk, key, words, "-legacy")
    with desk.begin("software", "import", "cabinet.p12", "--json"):
        desk.type_passphrase(words)
        desk.confirm()
    (added,) = json.loads(desk.said)
    assert (added["role"], added["protection"]) == ("SIGN", "key-store")
    with sign(desk, added["cardNumber"]):
        desk.confirm("CPS consent")
        desk.confirm()
    check_signature(desk, key)
    require_forgotten(desk, words)
    stored = next((desk.folder / "software").rglob("*.p8"))
    shutil.copy(stored, desk.place / "stored.p8")
    shown = openssl(desk.place, "asn1parse", "-inform", "DER", "-in", "stored.p8")
    assert "PBES2" in shown
    with desk.begin("software", "list"):
        pass
    assert "opened by this workstation's key store" in desk.said
    with desk.begin("software", "remove", added["cardNumber"]):
        desk.confirm()
    assert not list((desk.folder / "software").rglob("*.p8"))


def test_passphrase_protects_a_key_and_is_nowhere_afterwards(
    desk: Desk, organisation_keys: dict[str, OrganisationKey]
) -> None:
    key, words, chosen, other = organisation_keys["SIGN"], passphrase(), passphrase(), passphrase()
    import_file(desk, key, words)
    with desk.begin("software", "import", "cabinet.p12", "--passphrase", "--json"):
        desk.type_passphrase("wrong " + words)
        desk.type_passphrase(words)
        desk.type_passphrase(chosen, chosen)
    (added,) = json.loads(desk.said)
    number = added["cardNumber"]
    with desk.begin("pin", "change", "--card", number):
        desk.type_passphrase(chosen, other, other)
    with sign(desk, number):
        desk.type_passphrase(other)
    check_signature(desk, key)
    for used in (words, chosen, other):
        require_forgotten(desk, used)
    with desk.begin("journal", "--json"):
        pass
    assert not any(used in desk.said for used in (words, chosen, other))
