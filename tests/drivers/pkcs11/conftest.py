"""A SoftHSM2 token for the tests of this folder, and a module in front of it that fails where it is told to."""

from __future__ import annotations

import pytest
from support.faulty import FaultyModule, compile_faulty
from support.softhsm import softhsm_token, why_unavailable

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
    return softhsm.copy(tmp_path / "token")


@pytest.fixture
def workers(token_copy):
    return ModuleWorkers(named=(token_copy.module,), environment=token_copy.env)


@pytest.fixture(scope="session")
def faulty_library(tmp_path_factory):
    return compile_faulty(tmp_path_factory.mktemp("faulty"))


@pytest.fixture
def faulty(faulty_library, tmp_path, token_copy):
    return FaultyModule(faulty_library, tmp_path / "module", token_copy)
