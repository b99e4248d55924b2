"""A PKCS#11 module in front of SoftHSM2 that writes down what is called, and fails where it is told to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from support.softhsm import MODULE, SoftHsm

from drivers.pkcs11.workers import ModuleWorkers


def compile_faulty(folder: Path) -> Path:
    """Compile the module. Raises CalledProcessError."""
    library = folder / "faulty.so"
    source = Path(__file__).with_name("faulty.c")
    command = ["gcc", "-shared", "-fPIC", "-w", f'-DREAL="{MODULE}"', "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return library


class FaultyModule:
    """A copy of the compiled module in a folder of its own, with a log of what is called, and a fault to come."""

    def __init__(self, compiled: Path, folder: Path, token: SoftHsm) -> None:
        folder.mkdir(exist_ok=True)
        self.compiled, self.folder, self.token = compiled, folder, token
        self.library = Path(shutil.copy(compiled, folder / compiled.name))
        self.log, self.at = folder / f"{compiled.name}.log", folder / f"{compiled.name}.at"
        self.at.touch()

    def another(self, name: str) -> FaultyModule:
        """The same with a token, a log and faults of its own."""
        folder = self.folder / name
        return FaultyModule(self.compiled, folder, self.token.copy(folder / "token"))

    def workers(self, **options) -> ModuleWorkers:
        return ModuleWorkers(named=(self.library,), environment=self.token.env, **options)

    def called(self) -> list[str]:
        """The functions called so far."""
        return self.log.read_text().split() if self.log.exists() else []

    def calls(self) -> list[str]:
        """The functions called since the last time this was asked."""
        names = self.called()
        self.log.unlink(missing_ok=True)
        return names

    def fail(self, function: str, fault: str) -> None:
        self.at.write_text(f"{function} {fault}")

    def mend(self) -> None:
        self.at.write_text("")

    def processes(self) -> list[int]:
        """The processes that have this module in memory."""
        return [int(maps.parent.name) for maps in Path("/proc").glob("[0-9]*/maps") if str(self.folder) in _read(maps)]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
