"""Each test of the contract runs on every token that has the abilities which it declares by @pytest.mark.needs."""

from __future__ import annotations

import shutil

import pytest
from contract_tokens import MAKERS, Given, Inserted, make
from support.pcsc_reader import empty_reader
from support.softhsm import softhsm_token, why_unavailable

from drivers.virtual.store import open_card


def pytest_generate_tests(metafunc):
    if "subject" not in metafunc.fixturenames:
        return
    needed = {ability for marker in metafunc.definition.iter_markers("needs") for ability in marker.args}
    makers = [maker for maker, abilities in MAKERS.items() if needed <= abilities]
    metafunc.parametrize("subject", makers, indirect=True, ids=[maker.__name__ for maker in makers])


@pytest.fixture(scope="session")
def made_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contract") / "data"
    open_card(folder).close()
    return folder


@pytest.fixture(scope="session")
def made_softhsm(made_folder, tmp_path_factory):
    if reason := why_unavailable():
        pytest.skip(reason)
    return softhsm_token(tmp_path_factory.mktemp("contract-softhsm") / "token", made_folder)


@pytest.fixture(scope="module")
def inserted(process_pcscd, made_folder, tmp_path_factory):
    folder = shutil.copytree(made_folder, tmp_path_factory.mktemp("inserted") / "data")
    with open_card(folder) as card, empty_reader(process_pcscd) as reader, pytest.MonkeyPatch.context() as patch:
        patch.setattr("drivers.pcsc.slot.GAP_S", 0.0)  # nobody else waits for this card
        yield Inserted(card, reader, card._memory.codes)


@pytest.fixture
def subject(request, tmp_path):
    with make(request.param, Given(request, tmp_path)) as subject:
        yield subject


@pytest.fixture
def token(subject):
    return subject.token()
