from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.fhir_directory import KEY, FhirDirectory, fhir_directory

from agent.services.directory.ceiling import Ceiling
from agent.services.directory.client import DirectoryClient
from agent.services.directory.opening import way_out

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirDirectory]:
    folder = tmp_path_factory.mktemp("directory")
    with fhir_directory(folder) as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
        for name in PROXIES:
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        yield directory


@pytest.fixture
def directory(served: FhirDirectory) -> FhirDirectory:
    """A directory that knows nobody yet, and has seen nothing."""
    served.resources, served.seen, served.always, served.page_size, served.refused = [], [], None, 50, 0
    served.specials.clear()
    return served


@pytest.fixture
def ask(directory: FhirDirectory) -> Callable[..., DirectoryClient]:
    """A client of that directory, with the right key unless told otherwise."""

    def make(key: str | None = KEY, url: str | None = None) -> DirectoryClient:
        base = url or directory.url
        return DirectoryClient(base, lambda: None if key is None else bytearray(key.encode()), way_out(base), Ceiling())

    return make
