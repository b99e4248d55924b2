"""The package, built once for the tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from built_package import Built, build_package


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("package")
    yield build_package(folder)
    shutil.rmtree(folder, ignore_errors=True)  # 300 MB
