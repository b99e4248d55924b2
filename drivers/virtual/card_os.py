"""The operating system of a virtual CPS3: what each command does; whatever comes in is answered."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Self

from drivers.base import KeyRole
from drivers.virtual import apdu as ins
from drivers.virtual import sdo
from drivers.virtual.apdu import Command
from drivers.virtual.chip import ApduCard
from drivers.virtual.codes import CodeKeeper
from drivers.virtual.image import CardImage, build_image
from drivers.virtual.keys import KeyStation
from drivers.virtual.memory import Memory
from drivers.virtual.personalisation import Personalisation
from drivers.virtual.selection import Selection
from drivers.virtual.status import (
    SW_REFERENCE_NOT_FOUND,
    SW_WRONG_LENGTH,
    SW_WRONG_P1P2,
    StatusError,
)

SHORT_ANSWER = 256

# Access rules of key DOCPs: AMB, then sign, authenticate, decipher, generate, put, get.
KEY_RULES = {
    KeyRole.SIGNATURE: bytes.fromhex("7B11FFFFFFFF00"),
    KeyRole.AUTHENTICATION: bytes.fromhex("7BFF1111FFFF00"),
}


class VirtualCard(ApduCard):
    """One CPS3: its files, its codes and its keys."""

    def __init__(self, personalisation: Personalisation, image: CardImage, memory: Memory) -> None:
        super().__init__(personalisation, memory)
        self._image = image
        self._selection = Selection(image.root)
        self._codes = CodeKeeper(memory)
        self._keys = KeyStation(personalisation, memory)
        self._handlers = {
            ins.INS_SELECT: self._selection.select,
            ins.INS_GET_DATA: self._get_data,
            ins.INS_VERIFY: self._in_reach(self._codes.verify),
            ins.INS_CHANGE_REFERENCE_DATA: self._in_reach(self._codes.change),
            ins.INS_RESET_RETRY_COUNTER: self._in_reach(self._codes.reset_retry_counter),
            ins.INS_UPDATE_BINARY: self._update,
            ins.INS_MANAGE_SECURITY_ENVIRONMENT: self._in_reach(self._keys.manage),
            ins.INS_INTERNAL_AUTHENTICATE: self._in_reach(self._authenticate),
            ins.INS_PERFORM_SECURITY_OPERATION: self._in_reach(self._perform),
        }
        self._readers = {
            ins.INS_READ_BINARY: self._read,
            ins.INS_GET_CHALLENGE: self._get_challenge,
        }

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

    def _forget(self) -> None:
        self._selection.reset()
        self._codes.forget()
        self._keys.forget()

    def _in_reach(self, handler: Callable[[Command], bytes]) -> Callable[[Command], bytes]:
        """Codes and keys are used from the MF (the ANS library) and the application (OpenSC): 6A88 elsewhere."""

        def handle(command: Command) -> bytes:
            if not self._selection.at_root and self._selection.current_df is not self._image.application:
                raise StatusError(SW_REFERENCE_NOT_FOUND)
            return handler(command)

        return handle

    def _get_data(self, command: Command) -> bytes:
        """CB 3F FF: codes are described from the MF alone, keys from the application alone; 6A88 elsewhere."""
        request = sdo.parse_request(command)
        if self._selection.at_root:
            sdo.require_kind(request, sdo.CLASS_PIN)
            return sdo.answer_about_code(request, self._codes.code(request.reference))
        sdo.require_kind(request, sdo.CLASS_KEY)
        role = self._keys.role(request.reference)
        if role is None or self._selection.current_df is not self._image.application:
            raise StatusError(SW_REFERENCE_NOT_FOUND)
        return sdo.answer_about_key(request, KEY_RULES[role], non_repudiation=role is KeyRole.SIGNATURE)

    def _read(self, command: Command) -> bytes:
        if command.data:
            raise StatusError(SW_WRONG_LENGTH)
        return self._selection.read(command, user=self._codes.pin_verified)

    def _update(self, command: Command) -> bytes:
        file = self._selection.update(command, user=self._codes.pin_verified)
        if file is self._image.cps_data:
            self._memory.save_cps_data(file.content)
        return b""

    def _get_challenge(self, command: Command) -> bytes:
        if command.p1p2:
            raise StatusError(SW_WRONG_P1P2)
        if command.data:
            raise StatusError(SW_WRONG_LENGTH)
        return os.urandom(command.expected)

    def _authenticate(self, command: Command) -> bytes:
        return self._keys.authenticate(command, user=self._codes.pin_verified)

    def _perform(self, command: Command) -> bytes:
        return self._keys.perform(command, user=self._codes.pin_verified)
