"""Software certificates: one slot for all of them, whose keys come and go while sessions stay."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from support.agent import Person
from support.door_desk import Caller, DoorDesk, door_desk, pss, rooms
from support.organisations import OrganisationKey
from support.software import keep, store_of

from agent.door import cryptoki as ck
from agent.door import slots
from agent.door.values import Mechanism
from agent.people.prompt import ConfirmRequest, PinRequest
from drivers.software.errors import StoreError
from drivers.virtual.link import VirtualReaders

SOFTWARE = 1
SHA256_RSA = Mechanism(ck.CKM_SHA256_RSA_PKCS)
PASSPHRASE = "a long passphrase"


@pytest.fixture
def folder(made_organisations: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_organisations, tmp_path / "data"))


@pytest.fixture
def readers() -> VirtualReaders:
    return VirtualReaders()


@pytest.fixture
def person() -> Person:
    return Person(passphrases=[PASSPHRASE])


@pytest.fixture
async def desk(
    folder: Path,
    person: Person,
    readers: VirtualReaders,
    organisation_keys: dict[str, OrganisationKey],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[DoorDesk]:
    """A structure's two keys; the store is looked at each time."""
    monkeypatch.setattr(slots, "LOOK_AGAIN_S", 0.0)
    for product in ("AUTH_CLI", "SIGN"):
        keep(folder, organisation_keys[product], PASSPHRASE)
    async with door_desk(folder, person, readers, software_keys="passphrase") as running:
        yield running


async def test_all_of_them_are_one_token(guest: Caller) -> None:
    assert await guest.slots() == [SOFTWARE]
    told = await guest.call("GetTokenInfo", SOFTWARE)
    assert (told[0].rstrip(), told[3].rstrip()) == (b"Certificats logiciels", b"SOFTWARE")
    assert (await guest.call("GetSlotInfo", SOFTWARE))[2] == ck.CKF_TOKEN_PRESENT | ck.CKF_REMOVABLE_DEVICE
    assert await guest.call("GetMechanismInfo", SOFTWARE, ck.CKM_RSA_PKCS_PSS) == (2048, 2048, ck.CKF_SIGN)
    session = await guest.session(SOFTWARE)
    keys = await guest.find(session, CLASS=ck.CKO_PRIVATE_KEY)
    labels = [(await guest.read(session, key, ck.CKA_LABEL))[0] for key in keys]
    assert [label.decode().rpartition(" ")[2] for label in labels] == ["(AUTH_CLI)", "(SIGN)"]
    assert await guest.read(session, keys[0], ck.CKA_ALWAYS_SENSITIVE, ck.CKA_EXTRACTABLE) == [False, False]


@pytest.mark.parametrize("index", [0, 1])
async def test_their_keys_sign_after_a_consent_and_a_passphrase(guest: Caller, person: Person, index: int) -> None:
    session = await guest.session(SOFTWARE)
    key = (await guest.find(session, CLASS=ck.CKO_PRIVATE_KEY))[index]
    (key_id,) = await guest.read(session, key, ck.CKA_ID)
    (certificate,) = await guest.find(session, CLASS=ck.CKO_CERTIFICATE, ID=key_id)
    public = x509.load_der_x509_certificate((await guest.read(session, certificate, ck.CKA_VALUE))[0]).public_key()
    signature = await guest.sign(session, key, SHA256_RSA, b"text")
    public.verify(signature, b"text", padding.PKCS1v15(), hashes.SHA256())  # type: ignore[call-arg,union-attr]
    assert [type(question) for question in person.asked] == [ConfirmRequest, PinRequest]
    signature = await guest.sign(session, key, pss(ck.CKM_SHA256_RSA_PKCS_PSS), b"text")
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    public.verify(signature, b"text", scheme, hashes.SHA256())  # type: ignore[call-arg,union-attr]


async def test_a_key_that_is_removed_is_gone_and_the_session_stays(
    folder: Path, guest: Caller, organisation_keys: dict[str, OrganisationKey], person: Person
) -> None:
    session = await guest.session(SOFTWARE)
    login, signing = await guest.find(session, CLASS=ck.CKO_PRIVATE_KEY)
    await guest.call("SignInit", session, SHA256_RSA, signing)
    (gone,) = await guest.read(session, signing, ck.CKA_ID)
    store_of(folder).remove(gone.hex())
    await guest.call("FindObjectsInit", session, ())
    await guest.call("FindObjectsFinal", session)
    assert await guest.refusal("Sign", session, b"text", 256) == ck.CKR_KEY_HANDLE_INVALID
    assert await guest.refusal("SignInit", session, SHA256_RSA, signing) == ck.CKR_KEY_HANDLE_INVALID
    asked = rooms((ck.CKA_LABEL, 0))
    assert await guest.refusal("GetAttributeValue", session, signing, asked) == ck.CKR_OBJECT_HANDLE_INVALID
    (left,) = await guest.find(session, CLASS=ck.CKO_PRIVATE_KEY)
    assert len(await guest.sign(session, left, SHA256_RSA, b"text")) == 256
    assert person.asked
    assert login != signing


async def test_the_last_one_takes_the_token_along(folder: Path, guest: Caller) -> None:
    session = await guest.session(SOFTWARE)
    for entry in store_of(folder).list_entries():
        store_of(folder).remove(entry.id)
    assert await guest.call("WaitForSlotEvent", ck.CKF_DONT_BLOCK) == SOFTWARE
    assert await guest.slots() == []
    assert await guest.refusal("GetSessionInfo", session) == ck.CKR_DEVICE_REMOVED
    assert await guest.refusal("OpenSession", SOFTWARE, ck.CKF_SERIAL_SESSION) == ck.CKR_TOKEN_NOT_PRESENT


async def test_a_wrong_passphrase_blocks_nothing(guest: Caller, person: Person) -> None:
    person.passphrases = ["wrong", PASSPHRASE]
    session = await guest.session(SOFTWARE)
    key, *_ = await guest.find(session, CLASS=ck.CKO_PRIVATE_KEY)
    await guest.call("SignInit", session, SHA256_RSA, key)
    assert await guest.refusal("Sign", session, b"text", 256) == ck.CKR_PIN_INCORRECT
    assert len(await guest.sign(session, key, SHA256_RSA, b"text")) == 256


async def test_a_store_that_cannot_be_looked_at_keeps_no_program_from_its_slots(
    desk: DoorDesk, guest: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise StoreError("the folder cannot be read")

    assert await guest.slots() == [SOFTWARE]
    assert desk.served.cards.software is not None
    monkeypatch.setattr(desk.served.cards.software, "refresh", fail)
    assert await guest.slots() == [SOFTWARE]


async def test_two_threads_of_a_program_see_them_at_the_first_look(desk: DoorDesk) -> None:
    guest = desk.program()
    guest.application.initialized = True
    assert await asyncio.gather(guest.slots(), guest.slots()) == [[SOFTWARE]] * 2
