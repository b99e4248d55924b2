"""Stores of software keys, each in a folder of its own."""

from __future__ import annotations

import pytest
from support.wrapping import MemoryKeys

from drivers.software.store import SoftwareStore


@pytest.fixture
def secrets():
    return MemoryKeys()


@pytest.fixture
def store_folder(tmp_path):
    return tmp_path / "software"


@pytest.fixture
def store(store_folder, secrets):
    return SoftwareStore(store_folder, secrets)


@pytest.fixture
def auth(organisation_keys):
    return organisation_keys["AUTH_CLI"]


@pytest.fixture
def seal(organisation_keys):
    return organisation_keys["SIGN"]
