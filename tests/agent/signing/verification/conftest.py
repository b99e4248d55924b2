"""The served test PKI, one for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.certomancer import Pki, served_pki


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pki]:
    with served_pki(tmp_path_factory.mktemp("pki")) as served:
        yield served
