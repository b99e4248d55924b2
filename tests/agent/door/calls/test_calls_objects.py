"""Objects: what is found, and what is told of it (PKCS #11 v2.40 §4, §5.7)."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.agent import Person
from support.door_desk import Caller, DoorDesk, rooms

from agent.door import cryptoki as ck
from agent.door.values import Attribute
from agent.people.prompt import ConfirmRequest, PinRequest
from drivers.card.token import CodedToken
from drivers.errors import CardError
from drivers.virtual.store import VirtualCard

CKA_NSS_EMAIL = 0xCE534352
CKO_NSS_TRUST = 0xCE534353
PRIVATE_NUMBERS = (0x123, 0x124, 0x125, 0x126, 0x127, 0x128)


@pytest.fixture
async def session(guest: Caller) -> int:
    return await guest.session()


async def certificate(guest: Caller, session: int, label: bytes = b"CPS_PRIV_AUT") -> tuple[int, x509.Certificate]:
    (handle,) = await guest.find(session, CLASS=ck.CKO_CERTIFICATE, LABEL=label)
    (der,) = await guest.read(session, handle, ck.CKA_VALUE)
    return handle, x509.load_der_x509_certificate(der)


async def test_a_certificate_tells_what_is_in_it(guest: Caller, session: int) -> None:
    handle, parsed = await certificate(guest, session)
    der = parsed.public_bytes(Encoding.DER)
    assert await guest.read(
        session,
        handle,
        *(ck.CKA_CLASS, ck.CKA_CERTIFICATE_TYPE, ck.CKA_CERTIFICATE_CATEGORY, ck.CKA_TOKEN, ck.CKA_PRIVATE),
        *(ck.CKA_TRUSTED, ck.CKA_ISSUER, ck.CKA_SUBJECT, ck.CKA_CHECK_VALUE, ck.CKA_START_DATE, ck.CKA_END_DATE),
    ) == [
        *(ck.CKO_CERTIFICATE, 0, 1, True, False),
        *(False, parsed.issuer.public_bytes(), parsed.subject.public_bytes(), hashlib.sha1(der).digest()[:3]),
        f"{parsed.not_valid_before_utc:%Y%m%d}".encode(),
        f"{parsed.not_valid_after_utc:%Y%m%d}".encode(),
    ]
    (serial,) = await guest.read(session, handle, ck.CKA_SERIAL_NUMBER)
    assert serial[:2] == bytes([0x02, len(serial) - 2])
    assert int.from_bytes(serial[2:]) == parsed.serial_number
    assert serial in der


async def test_the_keys_beside_a_certificate(guest: Caller, session: int) -> None:
    _, parsed = await certificate(guest, session)
    (public,) = await guest.find(session, CLASS=ck.CKO_PUBLIC_KEY, LABEL=b"CPS_PRIV_AUT")
    private = await guest.private_key(session)
    numbers = parsed.public_key().public_numbers()  # type: ignore[union-attr]
    info = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for handle in (public, private):
        modulus, exponent, kind, subject, told = await guest.read(
            session,
            handle,
            *(ck.CKA_MODULUS, ck.CKA_PUBLIC_EXPONENT, ck.CKA_KEY_TYPE, ck.CKA_SUBJECT, ck.CKA_PUBLIC_KEY_INFO),
        )
        assert (int.from_bytes(modulus), int.from_bytes(exponent), kind) == (numbers.n, numbers.e, ck.CKK_RSA)
        assert (len(modulus), subject, told) == (256, parsed.subject.public_bytes(), info)
    assert await guest.read(session, public, ck.CKA_MODULUS_BITS, ck.CKA_VERIFY) == [2048, False]
    assert await guest.read(
        session,
        private,
        *(ck.CKA_SIGN, ck.CKA_DECRYPT, ck.CKA_UNWRAP, ck.CKA_SIGN_RECOVER, ck.CKA_DERIVE, ck.CKA_SENSITIVE),
        *(ck.CKA_EXTRACTABLE, ck.CKA_NEVER_EXTRACTABLE, ck.CKA_ALWAYS_AUTHENTICATE, ck.CKA_PRIVATE, ck.CKA_MODIFIABLE),
    ) == [True, False, False, False, False, True, False, True, False, True, False]


async def test_ids_are_unique_and_pair_what_belongs_together(guest: Caller, session: int) -> None:
    found = await guest.find(session)
    unique = [(await guest.read(session, handle, ck.CKA_UNIQUE_ID))[0] for handle in found]
    assert len(set(unique)) == len(found)
    for handle in await guest.find(session, CLASS=ck.CKO_PRIVATE_KEY):
        (key_id,) = await guest.read(session, handle, ck.CKA_ID)
        assert len(await guest.find(session, ID=key_id)) == 3


@pytest.mark.parametrize("kind", PRIVATE_NUMBERS)
async def test_what_is_secret_is_never_told(guest: Caller, session: int, kind: int) -> None:
    private = await guest.private_key(session)
    for room in (0, 4096):
        answer = await guest.call("GetAttributeValue", session, private, rooms((kind, room)))
        assert (answer.rv, answer.attributes) == (ck.CKR_ATTRIBUTE_SENSITIVE, (Attribute(kind, None),))
    (public,) = await guest.find(session, CLASS=ck.CKO_PUBLIC_KEY, LABEL=b"CPS_PRIV_AUT")
    answer = await guest.call("GetAttributeValue", session, public, rooms((kind, 0)))
    assert answer.rv == ck.CKR_ATTRIBUTE_TYPE_INVALID


async def test_what_is_asked_for_is_answered_in_its_order_with_a_reason_for_what_is_not(
    guest: Caller, session: int
) -> None:
    private = await guest.private_key(session)

    async def ask(*asked: tuple[int, int]) -> tuple[list[Any], int]:
        answer = await guest.call("GetAttributeValue", session, private, rooms(*asked))
        assert [attribute.type for attribute in answer.attributes] == [kind for kind, _ in asked]
        return [attribute.value for attribute in answer.attributes], answer.rv

    label = b"CPS_PRIV_AUT"
    assert await ask((ck.CKA_LABEL, 0), (ck.CKA_SIGN, 1)) == ([label, True], ck.CKR_OK)
    assert await ask((CKA_NSS_EMAIL, 0), (ck.CKA_LABEL, 12)) == ([None, label], ck.CKR_ATTRIBUTE_TYPE_INVALID)
    assert await ask((ck.CKA_LABEL, 11), (ck.CKA_SIGN, 1)) == ([None, True], ck.CKR_BUFFER_TOO_SMALL)
    assert await ask((ck.CKA_KEY_TYPE, 7), (ck.CKA_KEY_TYPE, 8)) == ([None, 0], ck.CKR_BUFFER_TOO_SMALL)
    assert (await ask((ck.CKA_ALLOWED_MECHANISMS, 47)))[1] == ck.CKR_BUFFER_TOO_SMALL
    assert (await ask((ck.CKA_ALLOWED_MECHANISMS, 48)))[1] == ck.CKR_OK
    assert await ask((ck.CKA_PRIVATE_EXPONENT, 0), (CKA_NSS_EMAIL, 0)) == ([None, None], ck.CKR_ATTRIBUTE_SENSITIVE)
    assert await ask() == ([], ck.CKR_OK)


async def test_searches(guest: Caller, session: int) -> None:
    handle, parsed = await certificate(guest, session)
    der = parsed.public_bytes(Encoding.DER)
    assert await guest.find(session, VALUE=der) == [handle]
    assert await guest.find(session, ISSUER=parsed.issuer.public_bytes(), TRUSTED=False, LABEL=b"CPS_PRIV_AUT")
    assert await guest.find(session, CLASS=CKO_NSS_TRUST) == []
    assert await guest.find(session, CLASS=ck.CKO_CERTIFICATE, TOKEN=False) == []
    assert await guest.find(session, PRIVATE_EXPONENT=b"\x01") == []
    assert await guest.find(session, CLASS=None) == []
    assert await guest.find(session, LABEL=b"") == []


async def test_one_is_not_true_in_a_template(guest: Caller, session: int) -> None:
    assert await guest.find(session, CLASS=True) == []
    assert await guest.find(session, CLASS=ck.CKO_PRIVATE_KEY, SIGN=1) == []


async def test_a_search_is_told_in_pieces(guest: Caller, session: int) -> None:
    whole = await guest.find(session)
    assert await guest.refusal("FindObjects", session, 1) == ck.CKR_OPERATION_NOT_INITIALIZED
    assert await guest.refusal("FindObjectsFinal", session) == ck.CKR_OPERATION_NOT_INITIALIZED
    await guest.call("FindObjectsInit", session, ())
    assert await guest.refusal("FindObjectsInit", session, ()) == ck.CKR_OPERATION_ACTIVE
    told = [*await guest.call("FindObjects", session, 1), *await guest.call("FindObjects", session, None)]
    told += [*await guest.call("FindObjects", session, 2), *await guest.call("FindObjects", session, 1 << 31)]
    assert told == whole
    assert await guest.call("FindObjects", session, 5) == ()
    await guest.call("FindObjectsFinal", session)
    assert await guest.find(session) == whole


async def test_a_search_for_keys_does_not_have_the_card_list_its_data(
    desk: DoorDesk, guest: Caller, session: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def list_data(card: Any) -> tuple[()]:
        asked.append(card.number)
        return ()

    monkeypatch.setattr(type(desk.served.keys), "list_data", lambda self, card: list_data(card))
    await guest.find(session, CLASS=ck.CKO_PRIVATE_KEY)
    await guest.find(session, ID=b"x")
    await guest.find(session, VALUE=b"x")
    await guest.find(session, CLASS=CKO_NSS_TRUST, LABEL=b"x")
    assert asked == []
    await guest.find(session, LABEL=b"CPS_DATA")
    await guest.find(session, CLASS=ck.CKO_DATA)
    assert len(asked) == 2


async def data(guest: Caller, session: int, label: bytes) -> int:
    (handle,) = await guest.find(session, CLASS=ck.CKO_DATA, LABEL=label)
    return handle


async def test_a_public_data_object_is_read_and_nobody_is_asked(guest: Caller, session: int, person: Person) -> None:
    handle = await data(guest, session, b"CPS_NAME_PS")
    private, application, value = await guest.read(session, handle, ck.CKA_PRIVATE, ck.CKA_APPLICATION, ck.CKA_VALUE)
    assert (private, application) == (False, b"CPS")
    assert b"VIRTUEL" in value
    assert person.asked == []


async def test_private_data_is_shown_to_who_logs_in(guest: Caller, session: int, person: Person) -> None:
    """A program that reads the values of all that it lists has nobody asked."""

    async def labels(where: int) -> set[bytes]:
        found = await guest.find(where, CLASS=ck.CKO_DATA)
        return {(await guest.read(where, each, ck.CKA_LABEL))[0] for each in found}

    public = await labels(session)
    assert public
    assert not any(label.startswith(b"CPS_ACTIVITY") for label in public)
    await guest.call("Login", session, ck.CKU_USER, None)
    assert {b"CPS_ACTIVITY_01_PS"} | public <= await labels(await guest.session())
    await guest.call("Logout", session)
    assert await labels(session) == public
    assert person.asked == []


async def test_a_private_data_object_is_asked_for_once_in_a_session(
    guest: Caller, session: int, person: Person
) -> None:
    await guest.call("Login", session, ck.CKU_USER, None)
    handle = await data(guest, session, b"CPS_ACTIVITY_01_PS")
    assert await guest.read(session, handle, ck.CKA_PRIVATE, ck.CKA_LABEL) == [True, b"CPS_ACTIVITY_01_PS"]
    assert person.asked == []
    answer = await guest.call("GetAttributeValue", session, handle, rooms((ck.CKA_VALUE, 0)))
    size = len(answer.attributes[0].value)
    answer = await guest.call("GetAttributeValue", session, handle, rooms((ck.CKA_VALUE, size)))
    assert b"CABINET" in answer.attributes[0].value
    assert [type(question) for question in person.asked] == [ConfirmRequest, PinRequest]
    answer = await guest.call("GetAttributeValue", session, handle, rooms((ck.CKA_VALUE, size - 1)))
    assert (answer.attributes[0].value, answer.rv) == (None, ck.CKR_BUFFER_TOO_SMALL)
    await guest.read(await guest.session(), handle, ck.CKA_VALUE)
    assert [type(question) for question in person.asked[2:]] == [PinRequest]


async def test_a_refusal_is_an_error_and_no_empty_value(guest: Caller, session: int, person: Person) -> None:
    person.agrees = False
    await guest.call("Login", session, ck.CKU_USER, None)
    handle = await data(guest, session, b"CPS_ACTIVITY_01_PS")
    for asked in (rooms((ck.CKA_VALUE, 0)), rooms((ck.CKA_LABEL, 0), (ck.CKA_VALUE, 4096))):
        assert await guest.refusal("GetAttributeValue", session, handle, asked) == ck.CKR_FUNCTION_REJECTED


async def test_a_card_whose_data_cannot_be_listed_shows_the_rest(
    guest: Caller, session: int, chip: VirtualCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise CardError(sw=0x6F00)

    monkeypatch.setattr(CodedToken, "list_data_objects", fail)
    assert len(await guest.find(session)) == 6
    wanted = (Attribute(ck.CKA_CLASS, ck.CKO_DATA),)
    assert await guest.refusal("FindObjectsInit", session, wanted) == ck.CKR_DEVICE_ERROR
    assert len(await guest.find(session)) == 6


async def test_a_handle_that_is_none(guest: Caller, session: int) -> None:
    for handle in (0, 99, 1 << 63):
        refused = await guest.refusal("GetAttributeValue", session, handle, rooms((ck.CKA_LABEL, 0)))
        assert refused == ck.CKR_OBJECT_HANDLE_INVALID
