"""Each test of the contract runs on every token that has the abilities which it declares by @pytest.mark.needs."""

from __future__ import annotations

import shutil
from contextlib import ExitStack

import pytest
from contract_tokens import MAKERS, Given, Inserted, make
from support.organisations import add_key
from support.pcsc_reader import empty_reader
from support.softhsm import softhsm_token, why_unavailable
from support.wrapping import MemoryKeys

from drivers.software.store import SoftwareStore
from drivers.virtual.kinds import open_card_of_kind


def pytest_generate_tests(metafunc):
    if "subject" not in metafunc.fixturenames:
        return
    needed = {ability for marker in metafunc.definition.iter_markers("needs") for ability in marker.args}
    makers = [maker for maker, abilities in MAKERS.items() if needed <= abilities]
    metafunc.parametrize("subject", makers, indirect=True, ids=[maker.__name__ for maker in makers])


@pytest.fixture(scope="session")
def made_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contract") / "data"
    for kind in ("cps3", "cps4", "cps3-contactless"):
        open_card_of_kind(folder, kind).close()
    return folder


@pytest.fixture(scope="session")
def made_softhsm(made_folder, tmp_path_factory):
    if reason := why_unavailable():
        pytest.skip(reason)
    return softhsm_token(tmp_path_factory.mktemp("contract-softhsm") / "token", made_folder)


@pytest.fixture(scope="session")
def software_secrets():
    return MemoryKeys()


@pytest.fixture(scope="session")
def made_software(organisation_keys, software_secrets, tmp_path_factory):
    """Folders with the two keys of a structure, by the passphrase that opens them; None: the key store does."""
    folders = {}
    for passphrase in ("1234", None):
        folders[passphrase] = tmp_path_factory.mktemp("contract-software") / "software"
        store = SoftwareStore(folders[passphrase], software_secrets)
        for product in ("AUTH_CLI", "SIGN"):
            add_key(store, organisation_keys[product], passphrase)
    return folders


@pytest.fixture(scope="module")
def inserted(process_pcscd, made_folder, tmp_path_factory):
    """Cards that stay in the two readers of the pcscd, by their kinds."""
    folder = shutil.copytree(made_folder, tmp_path_factory.mktemp("inserted") / "data")
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr("drivers.pcsc.slot.GAP_S", 0.0)  # nobody else waits
        found = {}
        for slot, kind in enumerate(("cps3", "cps4")):
            card = stack.enter_context(open_card_of_kind(folder, kind))
            reader = stack.enter_context(empty_reader(process_pcscd, slot))
            found[kind] = Inserted(card, reader, card._memory.codes)
        yield found


@pytest.fixture
def subject(request, tmp_path):
    with make(request.param, Given(request, tmp_path)) as subject:
        yield subject


@pytest.fixture
def token(subject):
    return subject.token()
