"""For the whole suite: on CI, nothing that CI installs may be missing; one pcscd for all that call PC/SC here."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from support.pcsc_reader import process_wide_pcscd
from support.pcscd import PcscdHandle


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
