"""For the whole suite: on CI, nothing that CI installs may be missing; one pcscd, one made card and one served PKI, for all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.certomancer import Pki, served_pki
from support.organisations import OrganisationKey, certify
from support.pcsc_reader import process_wide_pcscd
from support.pcscd import PcscdHandle
from support.scheduling import TOGETHER, FolderScheduling, find_folder

from drivers.virtual.organisations import USAGES
from drivers.virtual.store import open_card


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FolderScheduling:
    return FolderScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that no process waits for another's at the end."""
    items.sort(key=lambda item: find_folder(item.nodeid) not in TOGETHER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a skipped test a failed one, unless it needs rights that this run was not given."""
    report = yield
    reason: Any = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    if report.skipped and os.environ.get("CI") and "only root" not in str(reason):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped on CI: {reason}"
    return report


@pytest.fixture(scope="session", name="process_pcscd")
def _process_pcscd() -> Iterator[PcscdHandle]:
    """The one pcscd that this process may call; no test calls PC/SC without it."""
    with process_wide_pcscd() as handle:
        yield handle


@pytest.fixture(scope="session")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a test PKI and a fresh card, to be copied and not written to: making its keys takes a while."""
    folder = tmp_path_factory.mktemp("made")
    open_card(folder).close()
    return folder


@pytest.fixture(scope="session")
def made_organisations(made_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose test PKI issues to organisations as well, not to be written to."""
    folder = Path(shutil.copytree(made_folder, tmp_path_factory.mktemp("organisations") / "data"))
    certify(folder, OrganisationKey.make("AUTH_CLI"))
    return folder


@pytest.fixture(scope="session")
def organisation_keys(made_organisations: Path) -> dict[str, OrganisationKey]:
    """A key with its certificate for each offer to one structure."""
    return {product: certify(made_organisations, OrganisationKey.make(product)) for product in USAGES}


@pytest.fixture
def folder(made_folder: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own."""
    return Path(shutil.copytree(made_folder, tmp_path / "data"))


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pki]:
    """A PKI that publishes what it revokes, and stamps; starting it takes a while."""
    with served_pki(tmp_path_factory.mktemp("pki")) as served:
        yield served
