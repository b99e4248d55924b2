"""Signatures, made by the card and verified by somebody else's code (PKCS #11 v2.40 §5.11)."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from support.agent import Person
from support.door_desk import Caller, DoorDesk

from agent.door import cryptoki as ck
from agent.door.values import Mechanism, PssParameters, Size

TEXT = b"a text to sign"
RSA_PKCS = Mechanism(ck.CKM_RSA_PKCS)
SHA256_RSA = Mechanism(ck.CKM_SHA256_RSA_PKCS)
SHA256_INFO = bytes.fromhex("3031300D060960864801650304020105000420")
HASHES = {
    ck.CKM_SHA1_RSA_PKCS: hashes.SHA1(),
    ck.CKM_SHA224_RSA_PKCS: hashes.SHA224(),
    ck.CKM_SHA256_RSA_PKCS: hashes.SHA256(),
    ck.CKM_SHA384_RSA_PKCS: hashes.SHA384(),
    ck.CKM_SHA512_RSA_PKCS: hashes.SHA512(),
}


async def public_key(guest: Caller, session: int, private: int) -> rsa.RSAPublicKey:
    (key_id,) = await guest.read(session, private, ck.CKA_ID)
    (certificate,) = await guest.find(session, CLASS=ck.CKO_CERTIFICATE, ID=key_id)
    (der,) = await guest.read(session, certificate, ck.CKA_VALUE)
    key = x509.load_der_x509_certificate(der).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return key


@pytest.fixture
async def session(guest: Caller) -> int:
    return await guest.session()


@pytest.fixture
async def key(guest: Caller, session: int) -> int:
    return await guest.private_key(session)


@pytest.mark.parametrize("label", ["CPS_PRIV_AUT", "CPS_PRIV_SIG"])
async def test_every_mechanism_of_a_key_signs(guest: Caller, session: int, label: str) -> None:
    key = await guest.private_key(session, label)
    public = await public_key(guest, session, key)
    ((allowed,),) = [await guest.read(session, key, ck.CKA_ALLOWED_MECHANISMS)]
    (slot,) = await guest.slots()
    assert set(allowed) <= set(await guest.call("GetMechanismList", slot, 64))
    for kind in set(allowed) - {ck.CKM_RSA_PKCS}:
        signature = await guest.sign(session, key, Mechanism(kind), TEXT)
        public.verify(signature, TEXT, padding.PKCS1v15(), HASHES[kind])
    info = SHA256_INFO + hashlib.sha256(TEXT).digest()
    public.verify(await guest.sign(session, key, RSA_PKCS, info), TEXT, padding.PKCS1v15(), hashes.SHA256())


async def test_the_size_costs_nothing_and_ends_nothing(guest: Caller, session: int, key: int, person: Person) -> None:
    await guest.call("SignInit", session, SHA256_RSA, key)
    assert await guest.call("Sign", session, TEXT, None) == Size(256)
    assert await guest.call("Sign", session, TEXT, 255) == Size(256)
    assert await guest.call("Sign", session, TEXT, 0) == Size(256)
    assert person.asked == []
    signature = await guest.call("Sign", session, TEXT, 256)
    (await public_key(guest, session, key)).verify(signature, TEXT, padding.PKCS1v15(), hashes.SHA256())
    assert await guest.refusal("Sign", session, TEXT, 256) == ck.CKR_OPERATION_NOT_INITIALIZED


async def test_a_text_in_parts(guest: Caller, session: int, key: int) -> None:
    await guest.call("SignInit", session, SHA256_RSA, key)
    parts = [b"a" * 300_000, b"", None, b"b" * 100]
    for part in parts:
        assert await guest.call("SignUpdate", session, part) == ()
    assert await guest.call("SignFinal", session, None) == Size(256)
    signature = await guest.call("SignFinal", session, 256)
    whole = b"".join(filter(None, parts))
    (await public_key(guest, session, key)).verify(signature, whole, padding.PKCS1v15(), hashes.SHA256())
    assert await guest.refusal("SignFinal", session, 256) == ck.CKR_OPERATION_NOT_INITIALIZED
    assert await guest.refusal("SignUpdate", session, TEXT) == ck.CKR_OPERATION_NOT_INITIALIZED


async def test_nothing_at_all_can_be_signed(guest: Caller, session: int, key: int) -> None:
    signature = await guest.sign(session, key, SHA256_RSA, b"")
    (await public_key(guest, session, key)).verify(signature, b"", padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("data", [b"x" * 36, SHA256_INFO + b"x" * 31, bytes([*SHA256_INFO[:-6], *b"\x00" * 38])])
async def test_what_is_no_digest_info_is_padded_as_it_is(guest: Caller, session: int, key: int, data: bytes) -> None:
    public = await public_key(guest, session, key)
    signature = await guest.sign(session, key, RSA_PKCS, data)
    assert public.recover_data_from_signature(signature, padding.PKCS1v15(), None) == data


async def test_what_the_signature_key_does_not_take(guest: Caller, session: int, person: Person) -> None:
    key = await guest.private_key(session, "CPS_PRIV_SIG")
    for data, rv in [
        (b"x" * 36, ck.CKR_DATA_INVALID),
        (SHA256_INFO + b"x" * 31, ck.CKR_DATA_INVALID),
        (b"x" * 246, ck.CKR_DATA_LEN_RANGE),
        (b"", ck.CKR_DATA_LEN_RANGE),
        (None, ck.CKR_DATA_LEN_RANGE),
    ]:
        await guest.call("SignInit", session, RSA_PKCS, key)
        assert await guest.refusal("Sign", session, data, 256) == rv
        assert await guest.refusal("Sign", session, data, 256) == ck.CKR_OPERATION_NOT_INITIALIZED
    assert person.asked == []


async def test_misuse_of_a_signature(guest: Caller, session: int, key: int) -> None:
    certificate, *_ = await guest.find(session, CLASS=ck.CKO_CERTIFICATE)
    public, *_ = await guest.find(session, CLASS=ck.CKO_PUBLIC_KEY)

    async def begin(mechanism: Mechanism, handle: int) -> int:
        return await guest.refusal("SignInit", session, mechanism, handle)

    assert await begin(RSA_PKCS, 99) == ck.CKR_KEY_HANDLE_INVALID
    assert await begin(RSA_PKCS, certificate) == ck.CKR_KEY_HANDLE_INVALID
    assert await begin(RSA_PKCS, public) == ck.CKR_KEY_FUNCTION_NOT_PERMITTED
    assert await begin(Mechanism(0x1041), key) == ck.CKR_MECHANISM_INVALID
    assert await begin(Mechanism(ck.CKM_RSA_PKCS_PSS, PssParameters(0x250, 2, 32)), key) == ck.CKR_MECHANISM_INVALID
    assert await begin(Mechanism(ck.CKM_RSA_PKCS, b"x"), key) == ck.CKR_MECHANISM_PARAM_INVALID
    assert await begin(Mechanism(ck.CKM_RSA_PKCS, b""), key) == ck.CKR_OK
    assert await begin(RSA_PKCS, key) == ck.CKR_OPERATION_ACTIVE
    assert await begin(Mechanism(None), key) == ck.CKR_OK
    assert await guest.refusal("Sign", session, TEXT, 256) == ck.CKR_OPERATION_NOT_INITIALIZED


async def test_parts_of_what_is_signed_at_once_and_at_once_after_parts(guest: Caller, session: int, key: int) -> None:
    await guest.call("SignInit", session, RSA_PKCS, key)
    assert await guest.refusal("SignUpdate", session, TEXT) == ck.CKR_OPERATION_NOT_INITIALIZED
    await guest.call("SignInit", session, RSA_PKCS, key)
    assert await guest.refusal("SignFinal", session, 256) == ck.CKR_OPERATION_NOT_INITIALIZED
    await guest.call("SignInit", session, SHA256_RSA, key)
    await guest.call("SignUpdate", session, TEXT)
    assert await guest.refusal("Sign", session, TEXT, 256) == ck.CKR_OPERATION_ACTIVE
    assert await guest.refusal("SignFinal", session, 256) == ck.CKR_OPERATION_NOT_INITIALIZED


async def test_the_signature_key_of_a_refused_program(guest: Caller, session: int, key: int, person: Person) -> None:
    person.agrees = False
    await guest.call("SignInit", session, SHA256_RSA, key)
    assert await guest.refusal("Sign", session, TEXT, 256) == ck.CKR_FUNCTION_REJECTED
    assert await guest.refusal("Sign", session, TEXT, 256) == ck.CKR_OPERATION_NOT_INITIALIZED


async def test_a_wrong_code(guest: Caller, session: int, key: int, person: Person) -> None:
    person.pin = "9999"
    for rv in (ck.CKR_PIN_INCORRECT, ck.CKR_PIN_INCORRECT, ck.CKR_PIN_LOCKED, ck.CKR_PIN_LOCKED):
        await guest.call("SignInit", session, SHA256_RSA, key)
        assert await guest.refusal("Sign", session, TEXT, 256) == rv


async def test_a_signature_costs_as_many_exchanges_as_through_the_api(
    desk: DoorDesk, guest: Caller, session: int, key: int
) -> None:
    await guest.sign(session, key, SHA256_RSA, TEXT)
    entries = [record.entry for record in await desk.services.journal.list() if record.entry.through == "PKCS#11"]
    assert [(entry.action, entry.outcome, entry.exchanges) for entry in entries] == [
        ("use-authentication-key", "ok", 8),
        ("read-card", "ok", None),
    ]
