"""Software certificates among the means of identification: imported for real, told to programs, never to pages."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.agent import DeskPresence, Person, RunningAgent, running_agent
from support.organisations import OrganisationKey
from support.p12 import pem_file

from agent.client import Client
from drivers.virtual.link import VirtualReaders

STRUCTURE = "1990000001"


@pytest.fixture
def folder(made_organisations: Path, tmp_path: Path) -> Path:
    """A data folder with a card, whose test root has certified keys of a structure as well."""
    return Path(shutil.copytree(made_organisations, tmp_path / "data"))


@pytest.fixture
def person() -> Person:
    return Person(passphrases=["tilleul"])


@pytest.fixture
async def agent(folder: Path, person: Person, readers: VirtualReaders) -> AsyncIterator[RunningAgent]:
    async with running_agent(folder, person, readers, presence=DeskPresence(), software_keys="passphrase") as running:
        yield running


async def test_the_pair_of_a_structure_is_told_as_it_is_completed(
    granted: RunningAgent, organisation_keys: dict[str, OrganisationKey]
) -> None:
    verdicts = []
    for product in ("SIGN", "CONF", "AUTH_CLI"):
        content = pem_file(organisation_keys[product])
        await granted.ask(lambda client, content=content: client.import_certificate("cabinet.pem", content))
        bearers = {one["id"]: one for one in await granted.ask(Client.means)}
        verdicts.append([lack["what"] for lack in bearers[STRUCTURE]["missing"]])
    assert verdicts == [["AUTH_CLI"], ["AUTH_CLI"], []]
    assert (bearers[STRUCTURE]["name"], bearers[STRUCTURE]["test"]) == ("CABINET VIRTUEL", True)
    assert sorted(means["roles"] for means in bearers[STRUCTURE]["means"]) == [["AUTH_CLI"], ["CONF"], ["SIGN"]]
    page = (await granted.page("GET", "/v1/means")).body["bearers"]
    assert [bearer["kind"] for bearer in page] == ["person"]
