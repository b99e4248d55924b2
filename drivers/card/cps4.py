"""The CPS4, an NXP ChipDoc card, as publicly known of the official library; nobody has tried this on a real card yet.

What no public source tells is marked "unverified", and where it costs nothing more than one way is tried.
"""

from __future__ import annotations

from drivers.base import HASH_LENGTHS, NO_HASH, CardSlot, Deadline, Digest, Padding
from drivers.card import apdu, pkcs15
from drivers.card.apdu import SW_CONDITIONS_NOT_SATISFIED, SW_END_OF_FILE, SW_FILE_NOT_FOUND, SW_OK, Channel
from drivers.card.atr import CardFamily
from drivers.card.codes import CodeCommand
from drivers.card.dialect import CONTACTLESS_AID_SUFFIX, Dialect, References, told_references
from drivers.card.files import (
    MASTER_FILE,
    P1_BY_AID,
    P2_NO_ANSWER,
    CardReading,
    read_binary,
    select,
    select_application,
    select_from_root,
)
from drivers.card.profile import CardKey, PinFile, ProfileStore
from drivers.card.reading import EF_DIR, EF_SN, EF_SN_LENGTH, SFI_EF_SN, read_profile
from drivers.card.signatures import encode_block, modulus_bits
from drivers.card.tlv import encode_tlv
from drivers.card.token import CodedToken
from drivers.errors import CardError

AID_ROOT = bytes.fromhex("8025000001FF0100")
AID_PKCS15 = bytes.fromhex("E828BD080F8025000001FF0010")
# What the official library selects before the root when the card refuses that: the manager, the applet of the CPS2ter
AID_MANAGER, AID_CPS2TER = bytes.fromhex("A0000001510000"), bytes.fromhex("8025000001FF0002")

# MANAGE SECURITY ENVIRONMENT
MSE_SIGN, CRT_SIGNATURE = 0x81, 0xB6
MSE_DECIPHER, CRT_CONFIDENTIALITY = 0x41, 0xB8
TAG_ALGORITHM_AND_KEY, TAG_KEY = 0x91, 0x83
LOCAL = 0x80
# PERFORM SECURITY OPERATION (ISO 7816-8 §11)
PSO_SIGNATURE, PSO_HASH_VALUE = 0x9E, 0x9A
PSO_PLAIN, PSO_CRYPTOGRAM = 0x80, 0x86
# RESET RETRY COUNTER without data, CHANGE REFERENCE DATA with the new code alone (ISO 7816-4 §11.5)
RESET_COUNTER_ALONE, CHANGE_TO_NEW = 0x03, 0x01

KEY_AUTHENTICATION, KEY_SIGNATURE = 0x20, 0x10
PKCS1_MECHANISMS = {"sha256": pkcs15.CKM_SHA256_RSA_PKCS, "sha1": pkcs15.CKM_SHA1_RSA_PKCS}
PSS_MECHANISMS = {"sha256": pkcs15.CKM_SHA256_RSA_PKCS_PSS, "sha1": pkcs15.CKM_SHA1_RSA_PKCS_PSS}
PKCS1_REFERENCES = {"sha256": 0x28, "sha1": 0x0A}
PSS_REFERENCES = {"sha256": 0x2C, "sha1": 0x15}
NO_REFERENCE = 0x00
"""A key that deciphers names no algorithm: the block is made here."""


class ChipDoc(Dialect):
    """A CPS4: everything happens on logical channel 1, in the application that stands for the MF."""

    family = CardFamily.CPS4
    cla = 0x01
    change_tells_old = False

    def enter(self, channel: Channel) -> None:
        """SELECT the root application; on 6985 the card is led there by way of another applet."""
        answer = select_application(channel, AID_ROOT)
        if answer.sw == SW_CONDITIONS_NOT_SATISFIED:
            for cla, aid in ((self.cla, AID_MANAGER), (0x00, AID_CPS2TER), (self.cla, AID_ROOT)):
                head = bytes([cla, apdu.INS_SELECT, P1_BY_AID, P2_NO_ANSWER, len(aid)])
                answer = channel.send(head + aid)
        answer.require("SELECT of the root application")

    def select_root(self, channel: Channel) -> None:
        """The same."""
        self.enter(channel)

    def select_file(self, channel: Channel, path: bytes) -> None:
        """By path as on a CPS3, or by one without 3F00: unverified which of them the card wants."""
        try:
            select(channel, path)
        except CardError as error:
            if error.sw not in (SW_FILE_NOT_FOUND, apdu.SW_WRONG_P1_P2) or path == MASTER_FILE:
                raise
            select_from_root(channel, path.removeprefix(MASTER_FILE))

    def read_serial_file(self, reading: CardReading) -> bytes:
        """EF.SN where a CPS3 has it, by its short identifier (one exchange less) or its path: unverified."""
        answer = read_binary(reading.channel(), 0x8000 | SFI_EF_SN << 8, EF_SN_LENGTH)
        if answer.sw in (SW_OK, SW_END_OF_FILE):
            return answer.data
        return reading.read_start(EF_SN, EF_SN_LENGTH)

    def require_no_update(self, reading: CardReading) -> None:
        """A CPS4 has no EF_ACTUA."""

    def list_applications(self, reading: CardReading) -> tuple[pkcs15.Application, ...]:
        """Those of EF.DIR, or the documented one where there is no EF.DIR to read."""
        try:
            records = pkcs15.parse_dir(reading.read_file(EF_DIR))
        except CardError:
            return (pkcs15.Application(AID_PKCS15, None, None, None),)
        return tuple(sorted(records, key=lambda record: record.aid.endswith(CONTACTLESS_AID_SUFFIX)))

    def reference_of(self, key: pkcs15.PrivateKey) -> int | None:
        """The card's own, or the documented one."""
        if not (key.signs or key.decrypts or key.non_repudiation):
            return None
        documented = KEY_SIGNATURE if key.non_repudiation else KEY_AUTHENTICATION
        return documented if key.reference is None else key.reference

    def algorithms_of(self, key: pkcs15.PrivateKey, info: pkcs15.TokenInfo) -> tuple[References, References]:
        """The signature key has a reference for each; what the other one deciphers is padded here.

        The documented references stand in where EF.TokenInfo names none that the key can use.
        """
        if not key.non_repudiation:
            pss = dict.fromkeys(HASH_LENGTHS, NO_REFERENCE)
            return {**pss, NO_HASH: NO_REFERENCE}, pss
        told = told_references(key, info, PKCS1_MECHANISMS), told_references(key, info, PSS_MECHANISMS)
        return told if any(told) else (PKCS1_REFERENCES, PSS_REFERENCES)

    def compute(self, channel: Channel, key: CardKey, digest: Digest) -> bytes:
        """MSE, then PSO CDS over the hash, or PSO DECIPHER of the padded block (there is no INTERNAL AUTHENTICATE)."""
        if key.takes_hash:
            references = key.algorithms if digest.padding is Padding.PKCS1 else key.pss
            chosen = bytes([references[digest.algorithm], key.reference | LOCAL])
            _set_environment(channel, MSE_SIGN, CRT_SIGNATURE, encode_tlv(TAG_ALGORITHM_AND_KEY, chosen))
            command = (apdu.INS_PERFORM_SECURITY_OPERATION, PSO_SIGNATURE, PSO_HASH_VALUE)
            return channel.command(*command, digest.value, answers=True).require("signature")
        _set_environment(channel, MSE_DECIPHER, CRT_CONFIDENTIALITY, encode_tlv(TAG_KEY, bytes([key.reference])))
        block = encode_block(digest, modulus_bits(key.certificate_der))
        command = (apdu.INS_PERFORM_SECURITY_OPERATION, PSO_PLAIN, PSO_CRYPTOGRAM)
        return channel.command_in_parts(*command, block).require("signature")

    def change_command(self, pin: PinFile) -> CodeCommand:
        """24 01: new code, the old one having been verified; unverified outside an unblocking."""
        return CodeCommand(apdu.INS_CHANGE_REFERENCE_DATA, CHANGE_TO_NEW, pin.reference, pin)

    def begin_reset(self, channel: Channel, pin: PinFile) -> CodeCommand:
        """2C 03 on the local reference gives the tries back, then 24 01 sets the code."""
        answer = channel.command(apdu.INS_RESET_RETRY_COUNTER, RESET_COUNTER_ALONE, pin.reference | LOCAL)
        answer.require("RESET RETRY COUNTER")
        return self.change_command(pin)


def _set_environment(channel: Channel, p1: int, template: int, references: bytes) -> None:
    channel.command(apdu.INS_MANAGE_SECURITY_ENVIRONMENT, p1, template, references).require("MSE")


class Cps4Token(CodedToken):
    """A CPS4 in its reader."""

    dialect = ChipDoc()


def open_cps4(slot: CardSlot, store: ProfileStore, deadline: Deadline) -> Cps4Token:
    """Recognise or read the card in the slot. Raises what read_profile raises."""
    profile, sight = read_profile(slot, store, Cps4Token.dialect, deadline)
    return Cps4Token(slot, store, profile, sight)
