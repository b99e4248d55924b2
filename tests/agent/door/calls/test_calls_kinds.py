"""Several cards at one desk, and what each kind of them can do."""

from __future__ import annotations

import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from support.agent import Person
from support.door_desk import Caller, DoorDesk, door_desk, pss, rooms

from agent.cards.opening import CardOpener
from agent.door import cryptoki as ck
from agent.door.values import Mechanism, PssParameters
from drivers.virtual.kinds import open_card_of_kind
from drivers.virtual.link import VirtualReaders

DIGEST = bytes(range(32))
SHA256_RSA = Mechanism(ck.CKM_SHA256_RSA_PKCS)
KINDS = ("cps3", "cps4", "cps3-contactless", "vitale", "mute")
PSS = {
    ck.CKM_SHA1_RSA_PKCS_PSS: (hashes.SHA1(), ck.CKM_SHA_1, ck.CKG_MGF1_SHA1, 20),
    ck.CKM_SHA224_RSA_PKCS_PSS: (hashes.SHA224(), ck.CKM_SHA224, ck.CKG_MGF1_SHA224, 28),
    ck.CKM_SHA256_RSA_PKCS_PSS: (hashes.SHA256(), ck.CKM_SHA256, ck.CKG_MGF1_SHA256, 32),
    ck.CKM_SHA384_RSA_PKCS_PSS: (hashes.SHA384(), ck.CKM_SHA384, ck.CKG_MGF1_SHA384, 48),
    ck.CKM_SHA512_RSA_PKCS_PSS: (hashes.SHA512(), ck.CKM_SHA512, ck.CKG_MGF1_SHA512, 64),
}


@pytest.fixture(scope="module")
def made_kinds(made_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which cards of all these kinds have been made, not to be written to."""
    folder = Path(shutil.copytree(made_folder, tmp_path_factory.mktemp("kinds") / "data"))
    with ExitStack() as stack:
        for kind in KINDS:
            stack.callback(getattr(open_card_of_kind(folder, kind), "close", lambda: None))
    return folder


@pytest.fixture
def readers(made_kinds: Path, folder: Path) -> Iterator[VirtualReaders]:
    shutil.copytree(made_kinds, folder, dirs_exist_ok=True)
    with ExitStack() as stack:
        cards = [open_card_of_kind(folder, kind) for kind in KINDS]
        for card in cards:
            stack.callback(getattr(card, "close", lambda: None))
        yield VirtualReaders(cards)


@pytest.fixture
async def desk(folder: Path, person: Person, readers: VirtualReaders) -> AsyncIterator[DoorDesk]:
    async with door_desk(folder, person, readers) as running:
        yield running


async def public_key(guest: Caller, session: int, private: int) -> rsa.RSAPublicKey:
    (key_id,) = await guest.read(session, private, ck.CKA_ID)
    (certificate,) = await guest.find(session, CLASS=ck.CKO_CERTIFICATE, ID=key_id)
    (der,) = await guest.read(session, certificate, ck.CKA_VALUE)
    key: Any = x509.load_der_x509_certificate(der).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return key


async def test_only_cards_that_can_be_used_are_tokens(guest: Caller) -> None:
    present, every = await guest.slots(), await guest.slots(present=False)
    assert (len(present), len(every)) == (3, len(KINDS) + 1)
    models = [(await guest.call("GetTokenInfo", slot))[2].rstrip() for slot in present]
    assert models == [b"CPS3", b"CPS4", b"CPS3-CL"]
    for foreign in every[3:5]:
        assert await guest.refusal("GetTokenInfo", foreign) == ck.CKR_TOKEN_NOT_RECOGNIZED
        assert await guest.refusal("OpenSession", foreign, ck.CKF_SERIAL_SESSION) == ck.CKR_TOKEN_NOT_RECOGNIZED
        assert not (await guest.call("GetSlotInfo", foreign))[2] & ck.CKF_TOKEN_PRESENT


@pytest.mark.parametrize("label", ["CPS_PRIV_AUT", "CPS_PRIV_SIG"])
async def test_a_cps4_signs_with_pss_by_each_mechanism_of_the_key(guest: Caller, label: str) -> None:
    slot = (await guest.slots())[1]
    session = await guest.session(slot)
    key = await guest.private_key(session, label)
    public = await public_key(guest, session, key)
    (allowed,) = await guest.read(session, key, ck.CKA_ALLOWED_MECHANISMS)
    offered = set(allowed) & set(PSS)
    assert ck.CKM_SHA256_RSA_PKCS_PSS in offered
    for kind in offered:
        algorithm, hash_mechanism, mgf, salt = PSS[kind]
        scheme = padding.PSS(padding.MGF1(algorithm), salt)
        mechanism = pss(kind, hash_mechanism, mgf, salt)
        public.verify(await guest.sign(session, key, mechanism, b"text"), b"text", scheme, algorithm)
        mechanism = pss(ck.CKM_RSA_PKCS_PSS, hash_mechanism, mgf, salt)
        signature = await guest.sign(session, key, mechanism, bytes(salt))
        public.verify(signature, bytes(salt), scheme, Prehashed(algorithm))
    assert len(await guest.sign(session, key, SHA256_RSA, b"text")) == 256


@pytest.mark.parametrize(
    "parameter",
    [
        None,
        b"",
        PssParameters(ck.CKM_SHA256, ck.CKG_MGF1_SHA1, 32),
        PssParameters(ck.CKM_SHA256, ck.CKG_MGF1_SHA256, 20),
        PssParameters(ck.CKM_SHA256, ck.CKG_MGF1_SHA256, 1 << 63),
        PssParameters(0x220 + 1, ck.CKG_MGF1_SHA256, 32),
    ],
)
async def test_parameters_of_pss_that_no_card_takes(guest: Caller, parameter: Any) -> None:
    session = await guest.session((await guest.slots())[1])
    key = await guest.private_key(session)
    for kind in (ck.CKM_RSA_PKCS_PSS, ck.CKM_SHA256_RSA_PKCS_PSS):
        refused = await guest.refusal("SignInit", session, Mechanism(kind, parameter), key)
        assert refused == ck.CKR_MECHANISM_PARAM_INVALID
    other = pss(ck.CKM_SHA256_RSA_PKCS_PSS, ck.CKM_SHA384, ck.CKG_MGF1_SHA384, 48)
    assert await guest.refusal("SignInit", session, other, key) == ck.CKR_MECHANISM_PARAM_INVALID


async def test_pss_over_what_is_no_hash(guest: Caller, person: Person) -> None:
    session = await guest.session((await guest.slots())[1])
    key = await guest.private_key(session)
    for data in (DIGEST[1:], DIGEST + b"x", b""):
        await guest.call("SignInit", session, pss(ck.CKM_RSA_PKCS_PSS), key)
        assert await guest.refusal("Sign", session, data, 256) == ck.CKR_DATA_LEN_RANGE
    assert person.asked == []


async def test_a_contactless_card_shows_a_certificate_and_no_key(guest: Caller) -> None:
    slot = (await guest.slots())[2]
    session = await guest.session(slot)
    kinds = [(await guest.read(session, handle, ck.CKA_CLASS))[0] for handle in await guest.find(session)]
    assert set(kinds) == {ck.CKO_CERTIFICATE, ck.CKO_PUBLIC_KEY}
    assert await guest.call("GetMechanismList", slot, 64) == ()
    assert await guest.refusal("GetMechanismInfo", slot, ck.CKM_RSA_PKCS) == ck.CKR_MECHANISM_INVALID
    wanted: Any = ()
    assert await guest.refusal("FindObjectsInit", session, wanted) == ck.CKR_OK


async def test_an_old_client_is_shown_what_it_knows(desk: DoorDesk) -> None:
    guest = await desk.guest(modern=False)
    slots = await guest.slots()
    cps3, cps4 = [set(await guest.call("GetMechanismList", slot, 64)) for slot in slots[:2]]
    rsa_pkcs = {ck.CKM_RSA_PKCS, *(0x06, 0x40, 0x41, 0x42)}
    assert (cps3, cps4) == (rsa_pkcs, rsa_pkcs | {ck.CKM_RSA_PKCS_PSS})
    assert await guest.refusal("GetMechanismInfo", slots[1], ck.CKM_SHA256_RSA_PKCS_PSS) == ck.CKR_MECHANISM_INVALID


async def test_a_new_client_is_shown_all(guest: Caller) -> None:
    slots = await guest.slots()
    listed = await guest.call("GetMechanismList", slots[1], 64)
    assert {ck.CKM_SHA224_RSA_PKCS, *PSS} < set(listed)
    for slot in slots[:2]:
        for kind in await guest.call("GetMechanismList", slot, 64):
            assert await guest.call("GetMechanismInfo", slot, kind) == (2048, 2048, ck.CKF_SIGN | ck.CKF_HW)


async def test_an_object_of_one_card_is_none_of_another(guest: Caller) -> None:
    first, second, _ = [await guest.session(slot) for slot in await guest.slots()]
    key = await guest.private_key(first)
    assert await guest.refusal("SignInit", second, SHA256_RSA, key) == ck.CKR_KEY_HANDLE_INVALID
    asked = rooms((ck.CKA_LABEL, 0))
    assert await guest.refusal("GetAttributeValue", second, key, asked) == ck.CKR_OBJECT_HANDLE_INVALID


async def test_a_login_with_one_card_is_none_with_another(guest: Caller) -> None:
    first, second, _ = [await guest.session(slot) for slot in await guest.slots()]
    await guest.call("Login", first, 1, b"1")
    assert await guest.refusal("Logout", second) == ck.CKR_USER_NOT_LOGGED_IN


async def test_a_card_that_is_pulled_leaves_the_others_alone(guest: Caller, readers: VirtualReaders) -> None:
    slots = await guest.slots()
    first, second, _ = [await guest.session(slot) for slot in slots]
    key = await guest.private_key(second)
    readers.remove()
    assert await guest.call("WaitForSlotEvent", 0) == slots[0]
    assert await guest.slots() == slots[1:]
    assert await guest.refusal("GetSessionInfo", first) == ck.CKR_DEVICE_REMOVED
    assert len(await guest.sign(second, key, SHA256_RSA, b"text")) == 256


async def test_the_card_of_one_reader_in_another(guest: Caller, readers: VirtualReaders) -> None:
    """It is the same card, and what was opened with it there is nothing here."""
    slots = await guest.slots()
    session = await guest.session(slots[0])
    key = await guest.private_key(session)
    states = readers.list_states()
    chip = readers._readers[0]._card
    assert chip is not None
    readers.remove()
    assert await guest.call("WaitForSlotEvent", 0) == slots[0]
    readers.insert(chip, states[1].name)
    assert await guest.call("WaitForSlotEvent", 0) == slots[1]
    assert (await guest.call("GetTokenInfo", slots[1]))[3].rstrip() == b"99900001"
    moved = await guest.session(slots[1])
    assert await guest.refusal("SignInit", moved, SHA256_RSA, key) == ck.CKR_KEY_HANDLE_INVALID
    assert await guest.refusal("SignInit", session, SHA256_RSA, key) == ck.CKR_DEVICE_REMOVED
    assert len(await guest.sign(moved, await guest.private_key(moved), SHA256_RSA, b"text")) == 256


async def test_a_card_that_is_there_is_not_kept_waiting_by_one_that_is_read(
    desk: DoorDesk, guest: Caller, readers: VirtualReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = await guest.slots()
    names = [state.name for state in readers.list_states()]
    chip = readers._readers[0]._card
    may_answer, open_card = threading.Event(), CardOpener.open

    def wait_and_open(self: CardOpener, *arguments: Any) -> Any:
        may_answer.wait()
        return open_card(self, *arguments)

    monkeypatch.setattr(CardOpener, "open", wait_and_open)
    readers.remove()
    assert await guest.call("WaitForSlotEvent", 0) == slots[0]
    assert chip is not None
    readers.insert(chip)
    assert await guest.call("WaitForSlotEvent", 0) == slots[0]
    place = desk.served.cards.places[names[0]]
    assert (await guest.call("GetTokenInfo", slots[1]))[2].rstrip() == b"CPS4"
    assert await guest.session(slots[1])
    assert place.opening is not None
    assert not place.opening.done()
    may_answer.set()
    assert await guest.session(slots[0])
