"""A script answers for test cards of its own data folder alone, and what it granted ends with the run."""

from __future__ import annotations

from pathlib import Path

from support.agent import NONCE, RunningAgent, running_agent

from agent.certificates.test_root import TestRoot
from drivers.virtual.link import VirtualReaders
from drivers.virtual.pki import TestPki

LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}


async def grant_all(agent: RunningAgent) -> None:
    answer = await agent.page("POST", "/v1/grants", {"abilities": ["identity", "authenticate", "sign"]})
    assert answer.status == 201


async def test_a_card_of_this_folder_is_served(folder: Path, readers: VirtualReaders) -> None:
    async with running_agent(folder, readers=readers, unattended=True) as agent:
        await grant_all(agent)
        assert (await agent.page("POST", "/v1/authentications", LOGIN)).status == 200


async def test_a_card_of_another_root_is_refused_everything(readers: VirtualReaders, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    TestPki.open(elsewhere / "virtual" / "pki")
    async with running_agent(elsewhere, readers=readers, unattended=True) as agent:
        await grant_all(agent)
        assert (await agent.page("GET", "/v1/cards")).body == {"cards": []}
        assert (await agent.page("GET", "/v1/certificates")).body == {"certificates": []}
        for path in ("/v1/authentications", "/v1/pin/verify"):
            answer = await agent.page("POST", path, LOGIN if path.endswith("s") else {})
            assert answer.code == "key-refused"
        (reader,) = (await agent.page("GET", "/v1/readers")).body["readers"]
        assert reader["trouble"]["code"] == "key-refused"
        assert readers._readers[0]._card is not None


async def test_what_a_script_granted_ends_with_the_run(folder: Path, readers: VirtualReaders) -> None:
    async with running_agent(folder, readers=readers, unattended=True) as agent:
        await grant_all(agent)
    async with running_agent(folder, readers=VirtualReaders(), unattended=True) as agent:
        assert (await agent.page("GET", "/v1/cards")).code == "grant-required"


def test_a_folder_without_test_root_vouches_for_nothing(readers: VirtualReaders, tmp_path: Path, folder: Path) -> None:
    certificate = next((folder / "virtual").rglob("*.der"), None)
    assert not TestRoot(tmp_path).vouches_for(certificate.read_bytes() if certificate else b"")
    assert TestRoot(tmp_path).authorities_der() == ()
    assert not (tmp_path / "virtual").exists()


def test_a_root_without_its_key_vouches_for_nothing(folder: Path) -> None:
    assert TestRoot(folder).authorities_der() != ()
    for key in (folder / "virtual" / "pki").rglob("*key*"):
        key.unlink()
    assert TestRoot(folder).authorities_der() == ()
