"""One database of NSS (cert9.db, key4.db, pkcs11.txt): read as it stands, changed by NSS's own tools."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.modules.files import read_text
from agent.modules.values import ModulesError, Trouble

MODULES_FILE: Final = "pkcs11.txt"
CERTIFICATES_FILE: Final = "cert9.db"
FILES: Final = (CERTIFICATES_FILE, "key4.db", MODULES_FILE)
TOOL_S: Final = 60.0  # a slow card may be read by another module of the database
MAX_SAID: Final = 300
MAX_CERTIFICATES: Final = 4096
CKO_CERTIFICATE: Final = b"\0\0\0\1"


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """A module as pkcs11.txt lists it."""

    name: str
    library: str


class NssDatabase:
    """The database in `folder`. Every method raises ModulesError."""

    def __init__(self, folder: Path, certutil: Path | None, modutil: Path | None) -> None:
        self.folder = folder
        self._certutil = certutil
        self._modutil = modutil

    @property
    def exists(self) -> bool:
        """Whether a program made it."""
        return (self.folder / CERTIFICATES_FILE).is_file()

    def list_modules(self) -> tuple[LoadedModule, ...]:
        """The modules that programs load with this database, NSS's own aside."""
        text = read_text(self.folder / MODULES_FILE) or ""
        blocks = (_read_block(block) for block in text.split("\n\n"))
        return tuple(block for block in blocks if block.library)

    def list_certificates(self) -> dict[bytes, str]:
        """Certificates (DER) with their nicknames. The columns are PKCS#11 attributes: a11 CKA_VALUE, a3 CKA_LABEL."""
        path = self.folder / CERTIFICATES_FILE
        query = f"select a11, a3 from nssPublic where a0 = ? limit {MAX_CERTIFICATES}"  # noqa: S608 - a number
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
                rows = connection.execute(query, (CKO_CERTIFICATE,)).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise ModulesError(Trouble.DAMAGED, f"{path}: {error}") from error
        return {der: _nickname(label) for der, label in rows if isinstance(der, bytes)}

    def holds_nothing(self) -> bool:
        """Whether there is no object in it, private ones included, and no module."""
        return not self.list_modules() and not any(map(self._count, ("cert9.db", "key4.db"), ("Public", "Private")))

    def create(self) -> None:
        """Make an empty database without a password, as Chromium does."""
        self._run(self._certutil, "certutil", "-N", "-d", f"sql:{self.folder}", "--empty-password")

    def add_module(self, name: str, library: Path) -> None:
        """Have programs load a library; one of that name is replaced."""
        self.delete_module(name)
        self._run(self._modutil, "modutil", "-dbdir", "sql:.", "-add", name, "-libfile", str(library), "-force")

    def delete_module(self, name: str) -> None:
        """Have programs load it no more; nothing where it is not there."""
        if any(module.name == name for module in self.list_modules()):
            self._run(self._modutil, "modutil", "-dbdir", "sql:.", "-delete", name, "-force")

    def import_certificate(self, nickname: str, der: bytes) -> None:
        """Keep a certificate that is trusted for nothing by itself: it only completes chains."""
        if der not in self.list_certificates():
            self._run(self._certutil, "certutil", "-A", "-d", "sql:.", "-n", nickname, "-t", ",,", given=der)

    def delete_certificate(self, nickname: str) -> None:
        """Keep it no more; nothing where it is not there."""
        if nickname in self.list_certificates().values():
            self._run(self._certutil, "certutil", "-D", "-d", "sql:.", "-n", nickname)

    def _count(self, file: str, table: str) -> int:
        path = self.folder / file
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
                return int(connection.execute(f"select count(*) from nss{table}").fetchone()[0])  # noqa: S608
        except (sqlite3.Error, OSError) as error:
            raise ModulesError(Trouble.DAMAGED, f"{path}: {error}") from error

    def _run(self, tool: Path | None, name: str, *words: str, given: bytes = b"") -> None:
        """Run a tool in the folder itself, whose name may hold anything, and without a terminal to ask at."""
        if tool is None:
            raise ModulesError(Trouble.TOOL_ABSENT, name)
        try:
            done = subprocess.run(
                [str(tool), *words],
                cwd=self.folder,
                input=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=TOOL_S,
                start_new_session=True,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ModulesError(Trouble.TOOL_FAILED, f"{name}: {error}") from error
        if done.returncode:
            raise ModulesError(Trouble.TOOL_FAILED, f"{name}: {_said(done.stdout) or done.returncode}")


def _read_block(block: str) -> LoadedModule:
    values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    return LoadedModule(values.get("name", "").strip(), values.get("library", "").strip())


def _nickname(label: object) -> str:
    return label.decode(errors="replace") if isinstance(label, bytes) else str(label)


def _said(output: bytes) -> str:
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return (lines[-1] if lines else "")[:MAX_SAID]
