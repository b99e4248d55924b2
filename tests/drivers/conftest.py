"""For the tests of all drivers: a made card of the next generation, beside the CPS3 of the whole suite."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from drivers.virtual.kinds import open_card_of_kind


@pytest.fixture(scope="session")
def made_cps4(made_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a CPS4 as well, to be copied and not written to."""
    folder = Path(shutil.copytree(made_folder, tmp_path_factory.mktemp("cps4") / "data"))
    open_card_of_kind(folder, "cps4").close()
    return folder


@pytest.fixture
def cps4_folder(made_cps4: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own, with a CPS4."""
    return Path(shutil.copytree(made_cps4, tmp_path / "cps4"))
