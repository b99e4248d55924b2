"""One workstation for all logins; each test has its own browser, with a fresh profile of a person who set the door up once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from login_browsers import KINDS, Kind, LoginBrowser
from login_desk import Desk, run_desk


@pytest.fixture(scope="session")
def shared_desk(made_organisations: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with run_desk(made_organisations, tmp_path_factory.mktemp("logins"), "--unattended") as running:
        yield running


@pytest.fixture
def desk(shared_desk: Desk) -> Iterator[Desk]:
    """The workstation with an empty reader."""
    yield shared_desk
    shared_desk.pull()


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each of the two browsers."""
    return request.param


@pytest.fixture
def start(desk: Desk, kind: Kind, tmp_path: Path) -> Iterator[Callable[[], LoginBrowser]]:
    """Start the browser, with a profile that no test has used, when the test wants it."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(kind.run(desk.home.copy(tmp_path / "home", *kind.policies)))
