"""The CPS3: an IAS-ECC card, in contact and over NFC."""

from __future__ import annotations

from drivers.base import HASH_LENGTHS, NO_HASH, CardSlot, Deadline, Digest
from drivers.card import apdu, pkcs15
from drivers.card.apdu import SW_END_OF_FILE, Channel
from drivers.card.atr import CardFamily
from drivers.card.codes import CodeCommand
from drivers.card.dialect import CONTACTLESS_AID_SUFFIX, Dialect, References, told_references
from drivers.card.files import CardReading, read_binary, select_master_file
from drivers.card.profile import CardKey, PinFile, ProfileStore
from drivers.card.reading import EF_DIR, EF_SN, EF_SN_LENGTH, SFI_EF_SN, read_profile
from drivers.card.signatures import encode_digest_info
from drivers.card.tlv import encode_tlv, find_tlv
from drivers.card.token import CodedToken, CpsToken
from drivers.errors import CardError, CardUnknownError, CardUpdateUnfinishedError, NotSupportedError
from drivers.pin import Code

EF_ACTUA = bytes.fromhex("3F00D010")

# MANAGE SECURITY ENVIRONMENT: set for computation (ISO 7816-4 §11.5.11)
MSE_SET = 0x41
CRT_AUTHENTICATION, CRT_SIGNATURE = 0xA4, 0xB6
TAG_KEY_REFERENCE, TAG_ALGORITHM = 0x84, 0x80
# PERFORM SECURITY OPERATION: compute digital signature (ISO 7816-8 §11.4)
PSO_SIGNATURE, PSO_HASH_VALUE = 0x9E, 0x9A
# RESET RETRY COUNTER: new reference data only (ISO 7816-4 §11.5.10)
RESET_WITH_NEW_CODE = 0x02

HASHES_BY_PSO = {"sha256": pkcs15.CKM_SHA256_RSA_PKCS, "sha1": pkcs15.CKM_SHA1_RSA_PKCS}
HASHES_BY_DIGEST_INFO = dict.fromkeys((*HASH_LENGTHS, NO_HASH), pkcs15.CKM_RSA_PKCS)
IAS_ECC_REFERENCES = {pkcs15.CKM_RSA_PKCS: 0x02, pkcs15.CKM_SHA1_RSA_PKCS: 0x12, pkcs15.CKM_SHA256_RSA_PKCS: 0x42}


class IasEcc(Dialect):
    """A CPS3 in contact."""

    family = CardFamily.CPS3

    def select_root(self, channel: Channel) -> None:
        """SELECT MF."""
        select_master_file(channel)

    def read_serial_file(self, reading: CardReading) -> bytes:
        """By its path; some cards show this file by its short identifier alone."""
        try:
            return reading.read_start(EF_SN, EF_SN_LENGTH)
        except CardError:
            channel = reading.channel()
            select_master_file(channel)
            answer = read_binary(channel, 0x8000 | SFI_EF_SN << 8, EF_SN_LENGTH)
            return answer.require("READ BINARY of EF.SN", SW_END_OF_FILE)

    def require_no_update(self, reading: CardReading) -> None:
        """EF_ACTUA (template EC; 81 start, 82 end) stands on some cards; without its end an update was interrupted."""
        try:
            content = reading.read_file(EF_ACTUA)
        except CardError:  # most cards have none, and one that hides it does not say that it is unfinished
            return
        try:
            end = find_tlv(content, 0xEC, 0x82)
        except CardUnknownError:
            end = None
        if end is None or not end.value:
            raise CardUpdateUnfinishedError

    def list_applications(self, reading: CardReading) -> tuple[pkcs15.Application, ...]:
        """Those of EF.DIR; one that only NFC can see may be listed too."""
        records = pkcs15.parse_dir(reading.read_file(EF_DIR))
        return tuple(sorted(records, key=lambda record: record.aid.endswith(CONTACTLESS_AID_SUFFIX)))

    def reference_of(self, key: pkcs15.PrivateKey) -> int | None:
        """The card's own."""
        return key.reference if key.signs or key.non_repudiation else None

    def algorithms_of(self, key: pkcs15.PrivateKey, info: pkcs15.TokenInfo) -> tuple[References, References]:
        """One reference for all hashes over a DigestInfo, or one for each over a hash value; PSS the card has not.

        Those of the IAS-ECC profile stand in where EF.TokenInfo names none that the key can use.
        """
        mechanisms = HASHES_BY_PSO if key.non_repudiation else HASHES_BY_DIGEST_INFO
        told = told_references(key, info, mechanisms)
        return told or {name: IAS_ECC_REFERENCES[mechanism] for name, mechanism in mechanisms.items()}, {}

    def compute(self, channel: Channel, key: CardKey, digest: Digest) -> bytes:
        """MSE, then PSO CDS over the hash, or INTERNAL AUTHENTICATE over the DigestInfo."""
        algorithm = key.algorithms[digest.algorithm]
        reference = encode_tlv(TAG_KEY_REFERENCE, bytes([key.reference]))
        environment = reference + encode_tlv(TAG_ALGORITHM, bytes([algorithm]))
        if key.takes_hash:
            _set_environment(channel, CRT_SIGNATURE, environment)
            command = (apdu.INS_PERFORM_SECURITY_OPERATION, PSO_SIGNATURE, PSO_HASH_VALUE, digest.value)
        else:
            _set_environment(channel, CRT_AUTHENTICATION, environment)
            command = (apdu.INS_INTERNAL_AUTHENTICATE, 0x00, 0x00, encode_digest_info(digest))
        return channel.command(*command, answers=True).require("signature")

    def change_command(self, pin: PinFile) -> CodeCommand:
        """24 00: old code, new code."""
        return CodeCommand(apdu.INS_CHANGE_REFERENCE_DATA, 0x00, pin.reference, pin)

    def begin_reset(self, _channel: Channel, pin: PinFile) -> CodeCommand:
        """2C 02: new code."""
        return CodeCommand(apdu.INS_RESET_RETRY_COUNTER, RESET_WITH_NEW_CODE, pin.reference, pin)


class IasEccContactless(IasEcc):
    """A CPS3 over NFC: another application, whose technical key takes no code."""

    family = CardFamily.CPS3_CONTACTLESS
    has_codes = False

    def list_applications(self, reading: CardReading) -> tuple[pkcs15.Application, ...]:
        """The contactless one first."""
        return super().list_applications(reading)[::-1]


def _set_environment(channel: Channel, template: int, references: bytes) -> None:
    channel.command(apdu.INS_MANAGE_SECURITY_ENVIRONMENT, MSE_SET, template, references).require("MSE")


class Cps3Token(CodedToken):
    """A CPS3 in contact: a signature takes six exchanges (MF, VERIFY, DF, MSE, the command and its GET RESPONSE)."""

    dialect = IasEcc()


class Cps3ContactlessToken(CpsToken):
    """A CPS3 over NFC: its key signs without a code, and no code is ever sent."""

    dialect = IasEccContactless()

    def _require_code(self, code: Code | None) -> None:
        if code is not None:
            raise NotSupportedError("a contactless card takes no code")

    def _unlock(self, channel: Channel, code: Code | None) -> None:
        """The card is open to whoever holds it near."""


def open_cps3(slot: CardSlot, store: ProfileStore, deadline: Deadline) -> Cps3Token:
    """Recognise or read the card in the slot. Raises what read_profile raises."""
    profile, sight = read_profile(slot, store, Cps3Token.dialect, deadline)
    return Cps3Token(slot, store, profile, sight)


def open_cps3_contactless(slot: CardSlot, store: ProfileStore, deadline: Deadline) -> Cps3ContactlessToken:
    """Recognise or read the card near the reader. Raises what read_profile raises."""
    profile, sight = read_profile(slot, store, Cps3ContactlessToken.dialect, deadline)
    return Cps3ContactlessToken(slot, store, profile, sight)
