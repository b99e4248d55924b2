"""A software certificate at the door: listed in a slot of its own, and used for a login by TLS 1.3."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.agent import Person, running_agent
from support.client_auth import GREETING, TLS_1_3, client_auth_server
from support.door import Door, door_env, why_no_programs
from support.openssl import write_pem
from support.organisations import OrganisationKey
from support.software import copy_folder, take_in

from drivers.virtual.link import VirtualReaders

MISSING = why_no_programs("pkcs11-tool", "curl", "openssl")
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=str(MISSING))
PRODUCT = "AUTH_CLI"


@pytest.fixture
async def door(
    made_organisations: Path, organisation_keys: dict[str, OrganisationKey], tmp_path: Path
) -> AsyncIterator[Door]:
    """An agent in this process that keeps one certificate, and has no reader."""
    data_dir = copy_folder(made_organisations, tmp_path)
    person = Person(passphrases=["un deux trois quatre"])
    async with running_agent(data_dir, person, VirtualReaders([])) as agent:
        await take_in(agent, organisation_keys[PRODUCT])
        yield Door(agent.client, data_dir, tmp_path, door_env(data_dir))


async def test_curl_logs_in_with_it(door: Door, organisation_keys: dict[str, OrganisationKey]) -> None:
    key = organisation_keys[PRODUCT]
    write_pem(door.folder / "own.pem", key.certificate_der)
    write_pem(door.folder / "chain.pem", *key.chain_der)
    listing = await asyncio.to_thread(door.programs.run, "pkcs11-tool", "--module", door.module, "-O")
    (key_id,) = set(re.findall(r"^  ID: +(\w+)", listing, re.MULTILINE))
    url = "pkcs11:type=private;id=" + "".join(f"%{byte:02x}" for byte in bytes.fromhex(key_id))
    with client_auth_server(door.folder, door.folder / "chain.pem", TLS_1_3) as gate:
        login = ("--engine", "pkcs11", "--key-type", "ENG", "--key", url, "--cert", str(door.folder / "own.pem"))
        curl = ("curl", "--silent", "--show-error", "--cacert", str(gate.authority), *login, gate.url)
        said = await asyncio.to_thread(door.programs.run, *curl, env={"PKCS11_MODULE_PATH": door.module})
    assert GREETING.decode() in said
    gate.assert_let_in(door.folder / "own.pem", TLS_1_3)
