"""Certificates as genuine cards have them, which common libraries refuse: shown to the bit, and used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from support.certificates import change_card, exchange, unsort
from support.door_desk import Caller

from agent.door import cryptoki as ck
from agent.door.publickeys import read_public_key, read_serial_der
from agent.door.values import Mechanism
from drivers.card.certificate import parse_certificate
from drivers.errors import CardUnknownError
from drivers.virtual.store import VirtualCard, open_card


@pytest.fixture
def certificates(folder: Path) -> list[bytes]:
    return change_card(folder, unsort)


@pytest.fixture
def chip(folder: Path, certificates: list[bytes]) -> Iterator[VirtualCard]:
    card = open_card(folder)
    yield card
    card.close()


async def test_a_name_in_another_order_is_shown_as_it_is(guest: Caller, certificates: list[bytes]) -> None:
    session = await guest.session()
    found = [await guest.find(session, CLASS=ck.CKO_CERTIFICATE, VALUE=der) for der in certificates]
    for (handle,), der in zip(found, certificates, strict=True):
        subject, issuer, key_id = await guest.read(session, handle, ck.CKA_SUBJECT, ck.CKA_ISSUER, ck.CKA_ID)
        assert subject in der
        assert issuer in der
        for kind in (ck.CKO_PRIVATE_KEY, ck.CKO_PUBLIC_KEY):
            assert len(await guest.find(session, CLASS=kind, ID=key_id, SUBJECT=subject)) == 1


async def test_its_key_signs(guest: Caller) -> None:
    session = await guest.session()
    key = await guest.private_key(session)
    modulus, exponent = await guest.read(session, key, ck.CKA_MODULUS, ck.CKA_PUBLIC_EXPONENT)
    public = rsa.RSAPublicNumbers(int.from_bytes(exponent), int.from_bytes(modulus)).public_key()
    signature = await guest.sign(session, key, Mechanism(ck.CKM_SHA256_RSA_PKCS), b"text")
    public.verify(signature, b"text", padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("serial", ["020180", "02020001", "0200", "0214" + "FF" * 20])
def test_a_serial_number_is_shown_to_the_bit(folder: Path, serial: str) -> None:
    """Browsers find certificates by issuer and serial number, as they stand in the certificate."""

    def renumber(der: bytes, issuer_key: rsa.RSAPrivateKey) -> bytes:
        return exchange(der, issuer_key, read_serial_der(parse_certificate(der)), bytes.fromhex(serial))

    for der in change_card(folder, renumber):
        try:
            certificate = parse_certificate(der)
        except CardUnknownError:
            assert serial == "0200"
        else:
            assert read_serial_der(certificate) == bytes.fromhex(serial)


def test_what_is_no_rsa_key(certificates: list[bytes]) -> None:
    """Damage anywhere in a key is an error, never another exception."""
    der = certificates[0]
    key = parse_certificate(der).public_key_der
    at = der.index(key)
    for offset in range(40):
        damaged = bytearray(der)
        damaged[at + offset] ^= 0xFF
        try:
            read = read_public_key(bytes(damaged))
        except CardUnknownError:
            continue
        assert read.modulus
        assert read.exponent
    assert read_public_key(der).der == key
