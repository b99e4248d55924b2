"""One workstation for all examples: starting it takes a while."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.workstation import Workstation, open_workstation


@pytest.fixture(scope="session")
def whole_workstation(made_organisations: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workstation]:
    base = tmp_path_factory.mktemp("workstation")
    with open_workstation(base, Path(shutil.copytree(made_organisations, base / "data"))) as made:
        yield made


@pytest.fixture
def workstation(whole_workstation: Workstation) -> Workstation:
    """The same, whose services have seen nobody yet."""
    for service in (whole_workstation.dmp_service, whole_workstation.insi_service):
        service.calls.clear()
        service.refuses = None
    whole_workstation.provider.restore()
    return whole_workstation
