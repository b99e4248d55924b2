"""A card with certificates as of 2016, which libraries refuse for the order of a name: the agent does all with it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from support.agent import NONCE, PAGE, RunningAgent
from support.certificates import change_card, unsort
from support.openssl import verify_cms, verify_token, write_chain

from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card

CONTENT = "Prescription : éàç".encode()


@pytest.fixture
def unsorted_der(folder: Path) -> list[bytes]:
    return change_card(folder, unsort)


@pytest.fixture
def readers(folder: Path, unsorted_der: list[bytes]) -> Iterator[VirtualReaders]:
    card = open_card(folder)
    yield VirtualReaders([card])
    card.close()


def test_the_library_refuses_them(unsorted_der: list[bytes]) -> None:
    """What this file is about; when a version reads them, its other tests still count."""
    assert len(unsorted_der) == 2
    for certificate_der in unsorted_der:
        with pytest.raises(ValueError, match="InvalidSetOrdering"):
            x509.load_der_x509_certificate(certificate_der)


async def test_the_holder_is_told(granted: RunningAgent) -> None:
    (card,) = (await granted.page("GET", "/v1/cards")).body["cards"]
    assert (card["kind"], card["test"], card["holder"]["familyName"]) == ("CPS", True, "VIRTUEL")
    assert (card["holder"]["givenName"], card["holder"]["rpps"]) == ("CAMILLE", "99700002712")


async def test_certificates_are_handed_out_as_they_are_with_their_chain(
    granted: RunningAgent, unsorted_der: list[bytes]
) -> None:
    shown = (await granted.page("GET", "/v1/certificates")).body["certificates"]
    assert sorted(base64.b64decode(each["certificate"]) for each in shown) == sorted(unsorted_der)
    assert {each["subject"] for each in shown} == {"CN=899700002712+GN=CAMILLE+SN=VIRTUEL,title=Médecin,C=FR"}
    assert all(len(each["chain"]) == 2 for each in shown)
    assert {each["state"] for each in shown} == {"valid"}


async def test_a_page_gets_a_token(granted: RunningAgent, tmp_path: Path) -> None:
    write_chain(tmp_path, (await granted.page("GET", "/v1/certificates")).body["certificates"][0])
    answer = await granted.page("POST", "/v1/authentications", {"format": "web-eid:1.0", "challengeNonce": NONCE})
    assert answer.status == 200
    verify_token(tmp_path, answer.body, PAGE, NONCE)


@pytest.mark.parametrize("detached", [True, False])
async def test_a_page_signs_in_cms(
    granted: RunningAgent, tmp_path: Path, unsorted_der: list[bytes], detached: bool
) -> None:
    write_chain(tmp_path, (await granted.page("GET", "/v1/certificates")).body["certificates"][0])
    body = {"format": "cms", "detached": detached, "documents": [
        {"name": "d", "content": base64.b64encode(CONTENT).decode()}]}  # fmt: skip
    answer = await granted.page("POST", "/v1/signatures", body)
    assert answer.status == 200
    (signature,) = answer.body["signatures"]
    assert base64.b64decode(signature["certificate"]) in unsorted_der
    content = base64.b64decode(signature["content"])
    assert base64.b64decode(signature["certificate"]) in content
    verify_cms(tmp_path, content, CONTENT, detached=detached)
