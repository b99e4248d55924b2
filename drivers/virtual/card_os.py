"""The operating system of a virtual CPS3: APDU in, answer out, in T=0 terms; whatever comes in is answered."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from drivers.base import KeyRole
from drivers.virtual import apdu as ins
from drivers.virtual import sdo
from drivers.virtual.apdu import CLA_CHAINING, Command, parse_command
from drivers.virtual.codes import CodeKeeper
from drivers.virtual.image import CardImage
from drivers.virtual.keys import PSO_DECIPHER, KeyStation
from drivers.virtual.memory import Memory
from drivers.virtual.personalisation import Personalisation
from drivers.virtual.selection import Selection
from drivers.virtual.status import (
    SW_CHAINING_NOT_SUPPORTED,
    SW_CLA_NOT_SUPPORTED,
    SW_CONDITIONS_NOT_SATISFIED,
    SW_INS_NOT_SUPPORTED,
    SW_LAST_OF_CHAIN_EXPECTED,
    SW_MEMORY_FAILURE,
    SW_MORE_DATA,
    SW_OK,
    SW_REFERENCE_NOT_FOUND,
    SW_WRONG_LE,
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


class Chip(ABC):
    """What a reader meets: power, reset, and APDUs."""

    atr: bytes

    @abstractmethod
    def power_on(self) -> bytes:
        """Start afresh and give the ATR."""

    @abstractmethod
    def power_off(self) -> None:
        """Forget the session."""

    @abstractmethod
    def reset(self) -> bytes:
        """Forget the session and give the ATR."""

    @abstractmethod
    def process(self, apdu: bytes) -> bytes:
        """Answer one command APDU with data and a status word; never raises because of its content."""

    def close(self) -> None:  # noqa: B027 - most chips hold nothing
        """Give back what the chip holds; it is not used afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class VirtualCard(Chip):
    """One card: its files, its codes and its keys. Not thread-safe: a reader speaks to it in one thread at a time."""

    def __init__(self, personalisation: Personalisation, image: CardImage, memory: Memory) -> None:
        self.personalisation = personalisation
        self.serial = personalisation.serial
        self.atr = personalisation.atr
        self._image = image
        self._memory = memory
        self._selection = Selection(image.root)
        self._codes = CodeKeeper(memory)
        self._keys = KeyStation(personalisation, memory)
        self._answer = b""
        self._chain: tuple[int, int, bytes] | None = None
        self._handlers: dict[int, Callable[[Command], bytes]] = {
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
        # Case 2 commands, of which the answer leaves at once: P3 says how much of it.
        self._readers: dict[int, Callable[[Command], bytes]] = {
            ins.INS_READ_BINARY: self._read,
            ins.INS_GET_CHALLENGE: self._get_challenge,
        }

    def power_on(self) -> bytes:
        """Start afresh and give the ATR."""
        return self.reset()

    def power_off(self) -> None:
        """Forget the session."""
        self.reset()

    def close(self) -> None:
        """Give the card's folder back; the card is not used afterwards."""
        self._memory.close()

    def reset(self) -> bytes:
        """Forget verified codes, security environment and selection; give the ATR."""
        self._selection.reset()
        self._codes.forget()
        self._keys.forget()
        self._answer, self._chain = b"", None
        return self.atr

    def process(self, apdu: bytes) -> bytes:
        """Answer one APDU; data to fetch is announced by 61xx (ISO 7816-3 §12.2.4)."""
        try:
            command = parse_command(bytes(apdu))
            data, sw = self._dispatch(command)
        except StatusError as error:
            data, sw = b"", error.sw
        except OSError:  # a disk that is full or gone is this card's worn-out memory
            data, sw = b"", SW_MEMORY_FAILURE
        return data + sw.to_bytes(2)

    def _dispatch(self, command: Command) -> tuple[bytes, int]:
        if command.cla & ~CLA_CHAINING:
            raise StatusError(SW_CLA_NOT_SUPPORTED)
        if command.ins == ins.INS_GET_RESPONSE:
            return self._get_response(command)
        self._answer = b""
        if command.ins not in self._handlers and command.ins not in self._readers:
            raise StatusError(SW_INS_NOT_SUPPORTED)
        joined = self._join_chain(command)
        if joined is None:
            return b"", SW_OK
        if joined.ins in self._readers:
            return self._readers[joined.ins](joined), SW_OK
        if joined.p3 and not joined.data and joined.ins != ins.INS_PERFORM_SECURITY_OPERATION:
            raise StatusError(SW_WRONG_LENGTH)
        self._answer = self._handlers[joined.ins](joined)
        return b"", SW_MORE_DATA | _announced(self._answer) if self._answer else SW_OK

    def _get_response(self, command: Command) -> tuple[bytes, int]:
        """C0 00 00: give as much of the waiting answer as asked; 61xx tells what then remains."""
        if command.p1p2:
            raise StatusError(SW_WRONG_P1P2)
        if not self._answer:
            raise StatusError(SW_CONDITIONS_NOT_SATISFIED)
        if command.expected > len(self._answer):
            raise StatusError(SW_WRONG_LE | len(self._answer))
        given, self._answer = self._answer[: command.expected], self._answer[command.expected :]
        return given, SW_MORE_DATA | _announced(self._answer) if self._answer else SW_OK

    def _join_chain(self, command: Command) -> Command | None:
        """Gather a chained command (ISO 7816-4 §5.3.3), which only PSO DECIPHER may be; None until its last part."""
        kind = (command.ins, command.p1p2)
        chained = bool(command.cla & CLA_CHAINING)
        if chained and kind != (ins.INS_PERFORM_SECURITY_OPERATION, PSO_DECIPHER):
            raise StatusError(SW_CHAINING_NOT_SUPPORTED)
        chain, self._chain = self._chain, None
        if chain and chain[:2] != kind:
            raise StatusError(SW_LAST_OF_CHAIN_EXPECTED)
        data = (chain[2] if chain else b"") + command.data
        if len(data) > 2 * SHORT_ANSWER:
            raise StatusError(SW_WRONG_LENGTH)
        if chained:
            self._chain = (*kind, data)
            return None
        return Command(command.cla, command.ins, command.p1, command.p2, command.p3, data)

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


def _announced(answer: bytes) -> int:
    """The low byte of 61xx: 00 for 256 and more."""
    return len(answer) if len(answer) < SHORT_ANSWER else 0
