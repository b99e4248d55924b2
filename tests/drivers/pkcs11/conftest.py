"""A SoftHSM2 token for the tests of this folder, and a module in front of it that fails where it is told to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.softhsm import SoftHsm, softhsm_token, why_unavailable

from drivers.pkcs11.workers import ModuleWorkers


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory):
    if reason := why_unavailable():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("softhsm")
    return softhsm_token(folder / "token", folder / "data")


@pytest.fixture
def token_copy(softhsm, tmp_path):
    """A token that a test may change."""
    folder = Path(shutil.copytree(softhsm.folder, tmp_path / "token"))
    configuration = (folder / "softhsm2.conf").read_text()
    (folder / "softhsm2.conf").write_text(configuration.replace(str(softhsm.folder), str(folder)))
    return SoftHsm(folder, softhsm.serial)


@pytest.fixture
def workers(token_copy):
    return ModuleWorkers(named=(token_copy.module,), environment=token_copy.env)


@pytest.fixture(scope="session")
def faulty_library(tmp_path_factory):
    """The faulty module, compiled."""
    library = tmp_path_factory.mktemp("faulty") / "faulty.so"
    source = Path(__file__).with_name("faulty.c")
    command = ["gcc", "-shared", "-fPIC", "-w", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return library


class FaultyModule:
    """The compiled module with a log of what is called, and a fault to come."""

    def __init__(self, library: Path, folder: Path, token: SoftHsm) -> None:
        self.library = library
        self.log, self.at = folder / "log", folder / "at"
        self.at.touch()
        self.environment = {
            **token.env,
            "FAULTY_REAL": str(token.module),
            "FAULTY_LOG": str(self.log),
            "FAULTY_AT": str(self.at),
        }

    def workers(self, **options) -> ModuleWorkers:
        return ModuleWorkers(named=(self.library,), environment=self.environment, **options)

    def calls(self) -> list[str]:
        """The functions called since the last time this was asked."""
        names = self.log.read_text().split() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return names

    def fail(self, function: str, fault: str) -> None:
        self.at.write_text(f"{function} {fault}")

    def mend(self) -> None:
        self.at.write_text("")


@pytest.fixture
def faulty(faulty_library, tmp_path, token_copy):
    return FaultyModule(faulty_library, tmp_path, token_copy)
