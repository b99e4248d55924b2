"""Attacks by certificates: what no issuer would write, rightly signed all the same, through the whole agent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from support.agent import NONCE, Person, RunningAgent, running_agent
from support.certificates import change_card, exchange

from agent.people.wire import Envelope, read_envelope, write_envelope
from drivers.card import encoding as der
from drivers.card.certificate import parse_certificate
from drivers.card.tlv import encode_tlv
from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card

LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}
SIGN = {"format": "cms", "documents": [{"name": "d", "content": "AAAA"}]}
ALL = {"abilities": ["identity", "authenticate", "sign"]}
USAGE = der.sequence(der.oid("2.5.29.15"), bytes.fromhex("0101FF"), der.octets(bytes.fromhex("03020640")))


def utc(moment: Any) -> bytes:
    return encode_tlv(0x17, f"{moment:%y%m%d%H%M%SZ}".encode())


def valid(start: str, end: str, tag: int = 0x18):  # type: ignore[no-untyped-def]
    """Give another validity to certificates."""

    def change(certificate_der: bytes, issuer_key: rsa.RSAPrivateKey) -> bytes:
        certificate = parse_certificate(certificate_der)
        old = der.sequence(utc(certificate.not_before), utc(certificate.not_after))
        new = der.sequence(encode_tlv(tag, start.encode()), encode_tlv(tag, end.encode()))
        return exchange(certificate_der, issuer_key, old, new)

    return change


def named(*attributes: tuple[str, int, bytes]):  # type: ignore[no-untyped-def]
    """Give another subject to certificates."""
    rdns = (encode_tlv(0x31, der.sequence(der.oid(oid), encode_tlv(tag, value))) for oid, tag, value in attributes)
    name = der.sequence(*rdns)

    def change(certificate_der: bytes, issuer_key: rsa.RSAPrivateKey) -> bytes:
        return exchange(certificate_der, issuer_key, parse_certificate(certificate_der).subject.der, name)

    return change


def used_twice(certificate_der: bytes, issuer_key: rsa.RSAPrivateKey) -> bytes:
    """KeyUsage once more: to sign, on the certificate to log in as well."""
    certificate = parse_certificate(certificate_der)
    block = parse_certificate(certificate_der).tbs_der.partition(certificate.public_key_der)[2]
    extensions = der.sequence(*(der.sequence(der.oid(oid), der.octets(value)) for oid, value in certificate.extensions.items()), USAGE)  # fmt: skip
    return exchange(certificate_der, issuer_key, block, encode_tlv(0xA3, extensions))


@pytest.fixture
def change(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def readers(folder: Path, change: Any) -> Iterator[VirtualReaders]:
    open_card(folder).close()
    change_card(folder, change)
    card = open_card(folder)
    yield VirtualReaders([card])
    card.close()


async def shown(agent: RunningAgent) -> dict[str, Any]:
    (card,) = (await agent.page("GET", "/v1/cards")).body["cards"]
    return dict(card)


@pytest.mark.parametrize("change", [valid("00000101000000Z", "99991231235959Z")], indirect=True)
async def test_attack_a_validity_of_all_times(granted: RunningAgent, person: Person) -> None:
    """9999-12-31T23:59:59Z is RFC 5280's own word for "no end"; a day later, or in another zone, there is no calendar."""
    assert (await shown(granted))["expiresAt"].startswith("9999-")
    assert (await granted.page("GET", "/v1/status")).body["condition"] == "card-ready"
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).status == 200
    assert (await granted.page("POST", "/v1/signatures", SIGN)).status == 200
    assert read_envelope(write_envelope(Envelope(person.asked[-1]))).question.certificate.expires_at.year == 9999


@pytest.mark.parametrize("change", [valid("00010101000000+9959", "00010101000001+9959")], indirect=True)
async def test_attack_a_validity_before_all_times(granted: RunningAgent, person: Person) -> None:
    assert (await shown(granted))["expiresAt"].startswith("1950-")
    assert (await granted.page("GET", "/v1/status")).body["condition"] == "expired"
    assert (await granted.page("POST", "/v1/signatures", SIGN)).code == "certificate-expired"
    assert person.asked == []


@pytest.mark.parametrize(
    "change", [valid("20260230000000Z", "20300101000000Z"), valid("260101000000Z", "", 0x17), used_twice],
    ids=["no-day", "no-date", "usage-twice"], indirect=True,
)  # fmt: skip
async def test_attack_what_cannot_be_believed_makes_no_card(
    folder: Path, person: Person, readers: VirtualReaders
) -> None:
    async with running_agent(folder, person, readers) as agent:
        await agent.page("POST", "/v1/grants", ALL)
        person.asked.clear()
        (reader,) = (await agent.page("GET", "/v1/readers")).body["readers"]
        assert (reader["state"], reader["trouble"]["code"]) == ("trouble", "card-unknown")
        assert (await agent.page("POST", "/v1/authentications", LOGIN)).code == "card-unknown"
        assert person.asked == []


ODD_NAMES = named(
    ("2.5.4.3", 0x1E, b"\xd8\x00\x00\x00\x20\x2e"),
    ("2.5.4.4", 0x14, b"N\xe9\x1b[2J"),
    ("2.5.4.42", 0x1C, b"\0\0\0A\xff\xff\xff\xff"),
    ("2.5.4.12", 0x0C, b"\xff\xfe" + b"x" * 3000),
    ("2.5.4.10", 0x03, b"\0\1"),
)


@pytest.mark.parametrize("change", [ODD_NAMES, named()], ids=["odd", "none"], indirect=True)
async def test_attack_names_in_odd_alphabets_or_none(granted: RunningAgent, person: Person) -> None:
    holder = (await shown(granted))["holder"]
    assert holder["familyName"] in ("Né\x1b[2J", None)
    assert (holder["givenName"], len(holder["title"] or "")) in (("A\ufffd", 1024), (None, 0))
    certificates = (await granted.page("GET", "/v1/certificates")).body["certificates"]
    assert len(certificates) == 2
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).status == 200
    question = read_envelope(write_envelope(Envelope(person.asked[-1]))).question
    assert all(char.isprintable() for char in question.card.holder)
