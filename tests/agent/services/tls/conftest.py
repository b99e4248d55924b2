from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tls_keys import CountedKey, card_key
from support.tls_servers import Authority


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, and none of the system's authorities: to read them takes longer than anything else here."""
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session", name="cards_folder")
def _cards_folder(made_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(made_folder, tmp_path_factory.mktemp("tls-cards") / "data"))


@pytest.fixture(scope="session", name="made_cps3")
def _made_cps3(cards_folder: Path) -> Iterator[CountedKey]:
    with card_key(cards_folder, "cps3") as key:
        yield key


@pytest.fixture(scope="session", name="made_cps4")
def _made_cps4(cards_folder: Path) -> Iterator[CountedKey]:
    with card_key(cards_folder, "cps4") as key:
        yield key


@pytest.fixture
def cps3(made_cps3: CountedKey) -> CountedKey:
    made_cps3.signed.clear()
    return made_cps3


@pytest.fixture
def cps4(made_cps4: CountedKey) -> CountedKey:
    made_cps4.signed.clear()
    return made_cps4
