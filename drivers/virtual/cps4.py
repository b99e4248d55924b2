"""A CPS4 in software, after what is publicly known of its dialect; strict, and untested against a real card.

It answers to class byte 01 alone, once its root application is selected. Its file ids, the short identifier of EF.SN
and what may be read where are not publicly known: here they are those of a CPS3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Self

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from drivers.base import KeyRole
from drivers.virtual import apdu as ins
from drivers.virtual.apdu import Command
from drivers.virtual.chip import ApduCard
from drivers.virtual.codes import CodeKeeper
from drivers.virtual.image import CardImage, build_image
from drivers.virtual.keys import HASHES, PSO_DECIPHER, PSO_SIGN
from drivers.virtual.memory import Memory
from drivers.virtual.personalisation import ChipDocAlgorithms, Personalisation
from drivers.virtual.pkcs15 import REF_PIN, REF_PUK
from drivers.virtual.selection import P1_BY_AID, Selection
from drivers.virtual.status import (
    SW_CLA_NOT_SUPPORTED,
    SW_CONDITIONS_NOT_SATISFIED,
    SW_REFERENCE_NOT_FOUND,
    SW_SECURITY_NOT_SATISFIED,
    SW_WRONG_DATA,
    SW_WRONG_LENGTH,
    SW_WRONG_P1P2,
    StatusError,
)

CHANNEL = 0x01
AID_MANAGER = bytes.fromhex("A0000001510000")
AID_CPS2TER = bytes.fromhex("8025000001FF0002")

MSE_SIGN, MSE_DECIPHER = (0x81, 0xB6), (0x41, 0xB8)
LOCAL = 0x80
P1_COUNTER_ALONE = 0x03
P1_NEW_ALONE = 0x01


class ChipDocCodes(CodeKeeper):
    """Codes of a CPS4: a new one is set alone, once the old one or the PUK is verified."""

    def change(self, command: Command) -> bytes:
        """24 01 ref: the new code."""
        if command.p1 != P1_NEW_ALONE:
            raise StatusError(SW_WRONG_P1P2)
        if command.p2 & ~LOCAL != REF_PIN:
            raise StatusError(SW_REFERENCE_NOT_FOUND)
        if not self._verified:
            raise StatusError(SW_SECURITY_NOT_SATISFIED)
        self._set(REF_PIN, command.data)
        self._verified.discard(REF_PIN)
        return b""

    def reset_retry_counter(self, command: Command) -> bytes:
        """2C 03 ref|80, without data: all tries again, after the PUK."""
        if command.p1 != P1_COUNTER_ALONE:
            raise StatusError(SW_WRONG_P1P2)
        if command.data:
            raise StatusError(SW_WRONG_LENGTH)
        if command.p2 != REF_PIN | LOCAL:
            raise StatusError(SW_REFERENCE_NOT_FOUND)
        if REF_PUK not in self._verified:
            raise StatusError(SW_SECURITY_NOT_SATISFIED)
        code = self.code(REF_PIN)
        self._save(REF_PIN, replace(code, tries_left=code.tries_allowed))
        return b""


class ChipDocKeys:
    """The security environment of a session: one key for signatures by reference, one that deciphers blocks."""

    def __init__(self, card: Personalisation, memory: Memory) -> None:
        if not isinstance(card.algorithms, ChipDocAlgorithms):
            raise TypeError("a CPS4 has the algorithms of a CPS4")
        self._memory = memory
        self._schemes = card.algorithms.schemes()
        self._signature, self._authentication = card.signature.reference, card.authentication.reference
        self._scheme: tuple[str, bool] | None = None
        self._deciphers = False

    def forget(self) -> None:
        """Clear the security environment."""
        self._scheme, self._deciphers = None, False

    def manage(self, command: Command) -> bytes:
        """22 81 B6 `91 02 algorithm key|80`, or 22 41 B8 `83 01 key`; either replaces the other."""
        template = command.p1, command.p2
        self.forget()
        if template == MSE_SIGN:
            self._scheme = self._choose_scheme(command.data)
        elif template == MSE_DECIPHER:
            if command.data[:2] != b"\x83\x01" or len(command.data) != 3:
                raise StatusError(SW_WRONG_DATA)
            if command.data[2] != self._authentication:
                raise StatusError(SW_REFERENCE_NOT_FOUND)
            self._deciphers = True
        else:
            raise StatusError(SW_WRONG_P1P2)
        return b""

    def _choose_scheme(self, data: bytes) -> tuple[str, bool]:
        if data[:2] != b"\x91\x02" or len(data) != 4 or data[2] not in self._schemes:
            raise StatusError(SW_WRONG_DATA)
        if data[3] != self._signature | LOCAL:
            raise StatusError(SW_REFERENCE_NOT_FOUND)
        return self._schemes[data[2]]

    def perform(self, command: Command, *, user: bool) -> bytes:
        """2A: sign a hash made outside, or decipher."""
        ways: dict[int, Callable[[bytes], bytes]] = {PSO_SIGN: self._sign, PSO_DECIPHER: self._decipher}
        if command.p1p2 not in ways:
            raise StatusError(SW_WRONG_P1P2)
        if not (self._scheme if command.p1p2 == PSO_SIGN else self._deciphers):
            raise StatusError(SW_CONDITIONS_NOT_SATISFIED)
        if not user:
            raise StatusError(SW_SECURITY_NOT_SATISFIED)
        return ways[command.p1p2](command.data)

    def _sign(self, value: bytes) -> bytes:
        assert self._scheme is not None
        name, pss = self._scheme
        algorithm = HASHES[name]
        if len(value) != algorithm.digest_size:
            raise StatusError(SW_WRONG_LENGTH)
        scheme = padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH) if pss else padding.PKCS1v15()
        return self._memory.keys[KeyRole.SIGNATURE].sign(value, scheme, Prehashed(algorithm))

    def _decipher(self, block: bytes) -> bytes:
        """The bare RSA operation (RFC 8017 §5.1.2): whoever wants a signature pads to the modulus's length first."""
        private = self._memory.keys[KeyRole.AUTHENTICATION].private_numbers()
        modulus, length = private.public_numbers.n, private.public_numbers.n.bit_length() // 8
        number = int.from_bytes(block)
        if len(block) != length:
            raise StatusError(SW_WRONG_LENGTH)
        if number >= modulus:
            raise StatusError(SW_WRONG_DATA)
        return pow(number, private.d, modulus).to_bytes(length)


class VirtualCps4(ApduCard):
    """One CPS4: its files, its codes and its keys, in T=0 and T=1."""

    cla = CHANNEL
    whole = True

    def __init__(self, personalisation: Personalisation, image: CardImage, memory: Memory) -> None:
        super().__init__(personalisation, memory)
        self._image = image
        self._selection = Selection(image.root)
        self._codes = ChipDocCodes(memory)
        self._keys = ChipDocKeys(personalisation, memory)
        self._root_selected = False
        self._way_back: list[tuple[int, bytes]] = []
        self._handlers = {
            ins.INS_SELECT: self._select,
            ins.INS_VERIFY: self._codes.verify,
            ins.INS_CHANGE_REFERENCE_DATA: self._codes.change,
            ins.INS_RESET_RETRY_COUNTER: self._codes.reset_retry_counter,
            ins.INS_MANAGE_SECURITY_ENVIRONMENT: self._in_application(self._keys.manage),
            ins.INS_PERFORM_SECURITY_OPERATION: self._in_application(self._perform),
        }
        self._readers = {ins.INS_READ_BINARY: self._read}

    @classmethod
    def make(
        cls,
        personalisation: Personalisation,
        certificates: dict[KeyRole, bytes],
        memory: Memory,
        cps_data: bytes | None = None,
    ) -> Self:
        """The card with its files. `cps_data`: what terminals have written."""
        return cls(personalisation, build_image(personalisation, certificates, cps_data), memory)

    def lose_its_way(self) -> None:
        """Be left as another program may leave it: the root is refused until manager and CPS2ter were selected."""
        self._root_selected = False
        self._way_back = [(CHANNEL, AID_MANAGER), (0x00, AID_CPS2TER)]

    def _forget(self) -> None:
        self._selection.reset()
        self._codes.forget()
        self._keys.forget()
        self._root_selected = False
        self._way_back = []

    def _dispatch(self, command: Command) -> tuple[bytes, int]:
        """Channel 0 knows the applet of the CPS2ter alone; channel 1 nothing before its root is selected."""
        by_aid = command.ins == ins.INS_SELECT and command.p1 == P1_BY_AID
        if by_aid and self._is_on_the_way_back(command):
            return b"", 0x9000
        if command.cla == 0x00:
            raise StatusError(SW_CLA_NOT_SUPPORTED)
        if command.cla & 0x0F == CHANNEL and not by_aid and not self._root_selected:
            raise StatusError(SW_CONDITIONS_NOT_SATISFIED)
        return super()._dispatch(command)

    def _is_on_the_way_back(self, command: Command) -> bool:
        if (command.cla, command.data) not in ((CHANNEL, AID_MANAGER), (0x00, AID_CPS2TER)):
            return False
        if self._way_back and self._way_back[0] == (command.cla, command.data):
            self._way_back.pop(0)
        return True

    def _select(self, command: Command) -> bytes:
        if command.p1 == P1_BY_AID and (self._way_back or not self._root_selected):
            if self._way_back or command.data != self._image.root.aid:
                raise StatusError(SW_CONDITIONS_NOT_SATISFIED)
            self._root_selected = True
        return self._selection.select(command)

    def _read(self, command: Command) -> bytes:
        if command.data:
            raise StatusError(SW_WRONG_LENGTH)
        return self._selection.read(command, user=self._codes.pin_verified)

    def _perform(self, command: Command) -> bytes:
        return self._keys.perform(command, user=self._codes.pin_verified)

    def _in_application(self, handler: Callable[[Command], bytes]) -> Callable[[Command], bytes]:
        """Keys belong to the application (bit 8 of the reference): 6A88 elsewhere."""

        def handle(command: Command) -> bytes:
            if self._selection.current_df is not self._image.application:
                raise StatusError(SW_REFERENCE_NOT_FOUND)
            return handler(command)

        return handle
