"""Firefox and Chromium with homes of their own, machine policies of their own, and the door's module in their databases."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.node_driver import Driver, run_driver

DRIVER = Path(__file__).parent / "driver.mjs"
VISIT_S = 30.0

# A browser's machine policies stand in /etc: it gets an /etc of its own, the machine's with ours laid over it. What sets
# every user up remembers in /var/lib what it has made. $1 (empty) holds what is laid over, $2 is the folder for /etc.
SCRIPT = """
mount -t tmpfs over "$1" && cp -r "$2" "$1/etc" && mkdir "$1/lib" "$1/etc.work" "$1/lib.work" &&
mount -t overlay over -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/etc.work" /etc &&
mount -t overlay over -o "lowerdir=/var/lib,upperdir=$1/lib,workdir=$1/lib.work" /var/lib || exit 97
shift 2
exec "$@"
"""


@dataclass(frozen=True)
class Visit:
    """What a browser got: HTTP status and text, or the error of a connection that failed."""

    status: int | None
    text: str
    error: str


@dataclass
class LoginBrowser:
    """A running browser."""

    driver: Driver

    def visit(self, url: str) -> Visit:
        """Open a page in a new tab, and close it."""
        self.begin_visit(url)
        return self.end_visit()

    def begin_visit(self, url: str, patience_s: float = VISIT_S) -> None:
        """Open a page that a person has to do something for; `end_visit` gives what came of it."""
        self.driver.send("visit", url=url, patience=patience_s)

    def end_visit(self) -> Visit:
        """Wait for what `begin_visit` has begun."""
        return Visit(**self.driver.receive("visit"))

    def open_private_window(self) -> None:
        """Go on in a private window."""
        self.driver.call("private")


@dataclass
class Home:
    """The home of a person of the tests, and the folder of their session."""

    folder: Path
    runtime: Path

    @property
    def data(self) -> Path:
        """The agent's usual data folder: it then listens where p11-kit's client looks by itself."""
        return self.folder / ".local" / "share" / "cps-agent"

    @property
    def etc(self) -> Path:
        """What is laid over the machine's /etc for this person's browsers."""
        return self.folder / "etc"

    @property
    def profile(self) -> Path:
        """Firefox's profile."""
        return self.folder / ".mozilla" / "firefox" / "test.default-esr"

    @property
    def nssdb(self) -> Path:
        """The database of Chromium and Chrome."""
        return self.folder / ".local" / "share" / "pki" / "nssdb"

    @property
    def env(self) -> dict[str, str]:
        """What a program that this person starts has in its environment."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("XDG_", "P11_KIT", "DISPLAY", "WAYLAND"))
        }
        return kept | {"HOME": str(self.folder), "XDG_RUNTIME_DIR": str(self.runtime)}

    def write_policy(self, path: str, policy: Mapping[str, Any]) -> None:
        """Write a machine policy, by its path below /etc."""
        file = self.etc / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(policy))

    def in_its_etc(self, name: str) -> tuple[str, ...]:
        """What runs a command where `etc` is laid over /etc; `name`: of a folder that no other command uses."""
        over = self.folder / name
        over.mkdir()
        namespace = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-rm")
        return (*namespace, "sh", "-c", SCRIPT, "sh", str(over), str(self.etc))

    def trust(self, database: Path, authority: Path) -> None:
        """Take the authority of the sites into a database."""
        run("certutil", "-A", "-d", f"sql:{database}", "-n", "Sites", "-t", "C,,", "-a", "-i", str(authority))

    def take_policies(self, other: Home, *names: str) -> None:
        """Have policies of another home's machine."""
        for name in names:
            shutil.copytree(other.etc / name, self.etc / name)

    def copy(self, folder: Path, *policies: str) -> Home:
        """Databases as they are now, for a browser that no test has used, and policies of the machine."""
        copied = Home(folder, self.runtime)
        copied.etc.mkdir(parents=True)
        copied.take_policies(self, *policies)
        for path in (self.profile, self.nssdb):
            shutil.copytree(path, folder / path.relative_to(self.folder))
        return copied


def make_home(folder: Path, runtime: Path) -> Home:
    """A home where Firefox has been started once, and Chromium not yet."""
    home = Home(folder, runtime)
    home.etc.mkdir(parents=True)
    home.profile.mkdir(parents=True)
    run("certutil", "-N", "-d", f"sql:{home.profile}", "--empty-password")
    return home


def run(*command: str, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and give what it says."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0, done
    return done.stdout


class Kind(ABC):
    """A browser that is installed here."""

    name: str
    policies: tuple[str, ...]

    @abstractmethod
    def options(self, home: Home) -> dict[str, Any]:
        """How the driver starts it."""

    @abstractmethod
    def database(self, home: Home) -> Path:
        """Its certificates and modules."""

    @contextmanager
    def run(
        self, home: Home, *, display: str = "", environment: Mapping[str, str] | None = None
    ) -> Iterator[LoginBrowser]:
        """Run it until the block ends, on a screen if one is named."""
        env = home.env | ({"DISPLAY": display} if display else {}) | dict(environment or {})
        with run_driver(DRIVER, *home.in_its_etc("over"), environment=env) as driver:
            driver.call("launch", options=self.options(home) | {"headless": not display, "env": env})
            yield LoginBrowser(driver)


class Firefox(Kind):
    name = "firefox"
    policies = ()

    def options(self, home: Home) -> dict[str, Any]:
        preferences = {
            "network.dns.localDomains": "dmp.test",
            "security.default_personal_cert": "Select Automatically",
        }
        return {
            "browser": "firefox",
            "executablePath": shutil.which("firefox-esr"),
            "userDataDir": str(home.profile),
            "extraPrefsFirefox": preferences,
        }

    def database(self, home: Home) -> Path:
        return home.profile


class Chromium(Kind):
    name = "chromium"
    policies = ("chromium",)
    """No policy, no choice by itself: in Firefox a preference of the person's does that."""

    def options(self, home: Home) -> dict[str, Any]:
        return {
            "browser": "chrome",
            "executablePath": shutil.which("chromium"),
            "userDataDir": str(home.folder / "chromium"),
            "args": [
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--host-resolver-rules=MAP *.test 127.0.0.1",
            ],
        }

    def database(self, home: Home) -> Path:
        return home.nssdb


FIREFOX, CHROMIUM = Firefox(), Chromium()
KINDS = (FIREFOX, CHROMIUM)
