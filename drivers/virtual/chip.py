"""What a reader meets, and how every virtual card takes and answers APDUs, in T=0 and T=1 terms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from drivers.virtual import apdu as ins
from drivers.virtual.apdu import CLA_CHAINING, Command, parse_command
from drivers.virtual.keys import PSO_DECIPHER
from drivers.virtual.memory import Memory
from drivers.virtual.personalisation import Personalisation
from drivers.virtual.status import (
    SW_CHAINING_NOT_SUPPORTED,
    SW_CLA_NOT_SUPPORTED,
    SW_CONDITIONS_NOT_SATISFIED,
    SW_INS_NOT_SUPPORTED,
    SW_LAST_OF_CHAIN_EXPECTED,
    SW_MEMORY_FAILURE,
    SW_MORE_DATA,
    SW_OK,
    SW_WRONG_LE,
    SW_WRONG_LENGTH,
    SW_WRONG_P1P2,
    StatusError,
)

SHORT_ANSWER = 256

Handlers = dict[int, Callable[[Command], bytes]]


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


class ApduCard(Chip):
    """A card of which the handlers of commands are filled in. Not thread-safe: a reader speaks in one thread at a time.

    `cla` is the class byte it answers to. `whole`: it speaks T=1 too; what a command then shows by its Le.
    """

    cla = 0x00
    whole = False

    def __init__(self, personalisation: Personalisation, memory: Memory) -> None:
        self.personalisation = personalisation
        self.serial = personalisation.serial
        self.atr = personalisation.atr
        self._memory = memory
        self._answer = b""
        self._chain: tuple[int, int, bytes] | None = None
        self._handlers: Handlers = {}
        # Case 2 commands, of which the answer leaves at once: P3 says how much of it.
        self._readers: Handlers = {}

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
        self._answer, self._chain = b"", None
        self._forget()
        return self.atr

    @abstractmethod
    def _forget(self) -> None:
        """Forget the session."""

    def process(self, apdu: bytes) -> bytes:
        """Answer one APDU; data to fetch is announced by 61xx (ISO 7816-3 §12.2.4)."""
        try:
            command = parse_command(bytes(apdu), whole=self.whole)
            data, sw = self._dispatch(command)
        except StatusError as error:
            data, sw = b"", error.sw
        except OSError:  # a disk that is full or gone is this card's worn-out memory
            data, sw = b"", SW_MEMORY_FAILURE
        return data + sw.to_bytes(2)

    def _dispatch(self, command: Command) -> tuple[bytes, int]:
        if command.cla & ~CLA_CHAINING != self.cla:
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
        if joined.le is not None:
            return self._give(joined.le)
        return b"", SW_MORE_DATA | _announced(self._answer) if self._answer else SW_OK

    def _get_response(self, command: Command) -> tuple[bytes, int]:
        """C0 00 00: give as much of the waiting answer as asked; 61xx tells what then remains."""
        if command.p1p2:
            raise StatusError(SW_WRONG_P1P2)
        if not self._answer:
            raise StatusError(SW_CONDITIONS_NOT_SATISFIED)
        if command.expected > len(self._answer):
            raise StatusError(SW_WRONG_LE | len(self._answer))
        return self._give(command.expected)

    def _give(self, count: int) -> tuple[bytes, int]:
        given, self._answer = self._answer[:count], self._answer[count:]
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
        return Command(command.cla, command.ins, command.p1, command.p2, command.p3, data, command.le)


def _announced(answer: bytes) -> int:
    """The low byte of 61xx: 00 for 256 and more."""
    return len(answer) if len(answer) < SHORT_ANSWER else 0
