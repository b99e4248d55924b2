"""A home folder of a test's own, as browsers leave it, and the command `cps-agent modules` in it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from agent.__main__ import main

PROFILES = """[Install3B6073811A6ABF12]
Default=abc.default-esr
Locked=1

[Profile1]
Name=default
IsRelative=1
Path=def.default
Default=1

[Profile0]
Name=default-esr
IsRelative=1
Path=abc.default-esr

[General]
StartWithLastProfile=1
Version=2
"""


@dataclass(frozen=True)
class Done:
    """What a command gave."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Home:
    """The folders of one user."""

    folder: Path

    @property
    def firefox(self) -> Path:
        return self.folder / ".mozilla" / "firefox"

    @property
    def chromium(self) -> Path:
        return self.folder / ".local" / "share" / "pki" / "nssdb"

    @property
    def runtime(self) -> Path:
        return self.folder.parent / "run"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "LC_", "LANG"))}
        return kept | {"HOME": str(self.folder), "XDG_RUNTIME_DIR": str(self.runtime), "LC_ALL": "C.UTF-8"}

    def run(self, *words: str, given: str = "") -> Done:
        """`cps-agent modules …` in this process, without a terminal."""
        out, error = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment, clear=True),
            mock.patch.object(sys, "stdin", io.StringIO(given)),
            redirect_stdout(out),
            redirect_stderr(error),
        ):
            code = main(["modules", *words])
        return Done(code, out.getvalue(), error.getvalue())

    def places(self, *words: str) -> dict[str, dict[str, Any]]:
        """What status tells, by path."""
        return {each["path"]: each for each in json.loads(self.run("status", "--json", *words).stdout)["places"]}


def make_home(folder: Path) -> Home:
    """A home with two profiles of Firefox, one of them never used, and a browser of Chromium's kin."""
    home = Home(folder / "home")
    home.firefox.mkdir(parents=True)
    home.runtime.mkdir(mode=0o700)
    (home.folder / ".config" / "chromium").mkdir(parents=True)
    (home.firefox / "profiles.ini").write_text(PROFILES)
    make_profile(home.firefox / "abc.default-esr")
    (home.firefox / "def.default").mkdir()
    (home.firefox / "def.default" / "times.json").write_text("{}")
    return home


def make_profile(folder: Path) -> Path:
    """A profile with the databases that NSS makes, and what else lies there."""
    folder.mkdir(parents=True)
    subprocess.run(["certutil", "-N", "-d", f"sql:{folder}", "--empty-password"], check=True, capture_output=True)
    (folder / "prefs.js").write_text('user_pref("a", 1);\n')
    (folder / ".parentlock").touch()
    (folder / "lock").symlink_to("127.0.0.1:+1")
    return folder


def nss_modules(folder: Path) -> str:
    """What modutil says."""
    done = subprocess.run(["modutil", "-dbdir", f"sql:{folder}", "-list"], capture_output=True, text=True, check=True)
    return done.stdout


def nss_certificates(folder: Path) -> str:
    """What certutil says: nicknames and trust."""
    done = subprocess.run(["certutil", "-L", "-d", f"sql:{folder}"], capture_output=True, text=True, check=True)
    return done.stdout
