"""The keys of a virtual reader (PC/SC part 10, v2.02.09 §2.5), with a test for hands.

It does what the blocks say and no more, and is strict with them: a block that a real reader might misunderstand is
answered 6B80.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from drivers.errors import CardRemovedError

LOOK_S = 0.05
"""How soon a reader that waits for keys notices that its card was pulled."""

TIMED_OUT, CANCELLED, DIFFERENT, WRONG_LENGTH, BAD_BLOCK = (
    bytes.fromhex(sw) for sw in ("6400", "6401", "6402", "6403", "6B80")
)
VERIFY_HEAD, MODIFY_HEAD = 19, 24
COMMAND_HEAD = 5


class _Key(Enum):
    CANCEL = "cancel"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Block:
    """What a PIN_VERIFY or PIN_MODIFY block asks for."""

    timeout_s: int
    shortest: int
    longest: int
    size: int
    """Length to which codes are filled up with what the template holds; 0: as long as typed."""
    questions: int
    offsets: tuple[int, ...]
    """Where in the data the codes go that the command holds, the last of them being the new one of a PIN_MODIFY."""
    template: bytes


class BlockError(Exception):
    """A block that is not one, or asks for something that this reader does not do."""


def parse_verify(raw: bytes) -> Block:
    """Read PIN_VERIFY: timeouts, format, code size, length format, limits, validation, messages, prologue, command."""
    template = _tail(raw, VERIFY_HEAD)
    if raw[7] != 0x02 or raw[8] != 1 or raw[11] != 0 or any(raw[12:15]):
        raise BlockError("validation or messages")
    return Block(*_common(raw, raw[5:7]), questions=1, offsets=(0,), template=_command(template, raw[3], 1))


def parse_modify(raw: bytes) -> Block:
    """Read PIN_MODIFY, which has two insertion offsets and the confirmations besides."""
    template = _tail(raw, MODIFY_HEAD)
    old_at, new_at, confirm = raw[5], raw[6], raw[9]
    asks_old = confirm == 0x03
    if confirm not in (0x01, 0x03) or raw[10] != 0x02 or raw[11] != 2 + asks_old or any(raw[17:20]):
        raise BlockError("confirmation, validation or messages")
    if tuple(raw[14:17]) != ((0, 1, 2) if asks_old else (1, 2, 0)):
        raise BlockError("messages")
    if (old_at, new_at) != (0, raw[3] if asks_old else 0):
        raise BlockError("offsets")
    offsets = (old_at, new_at) if asks_old else (new_at,)
    command = _command(template, raw[3], len(offsets))
    return Block(*_common(raw, raw[7:9]), questions=raw[11], offsets=offsets, template=command)


def _tail(raw: bytes, head: int) -> bytes:
    if len(raw) < head or int.from_bytes(raw[head - 4 : head], "little") != len(raw) - head:
        raise BlockError("length")
    return raw[head:]


def _common(raw: bytes, limits: bytes) -> tuple[int, int, int, int]:
    """Time, shortest and longest code, size. Codes are ASCII, justified left at the start of the data."""
    longest, shortest = limits
    if raw[2] != 0x82 or raw[4] or raw[0] != raw[1] or not raw[0] or not 1 <= shortest <= longest or raw[3] > 15:
        raise BlockError("format")
    return raw[0], shortest, longest, raw[3]


def _command(template: bytes, size: int, count: int) -> bytes:
    """The command without its codes: Lc and filling for codes of one size, Lc = 0 for others."""
    if len(template) != COMMAND_HEAD + size * count or template[4] != size * count:
        raise BlockError("command")
    return template


class VirtualPad:
    """Keys, and a queue of what is pressed on them: one entry for each code that the reader asks for.

    While nothing is in the queue the reader waits, as for a person, up to the time that the block gives.
    """

    def __init__(self, *, replaces_codes: bool = True) -> None:
        self.replaces_codes = replaces_codes
        self.waiting = threading.Event()
        """Set while somebody is expected to type."""
        self._keys: queue.SimpleQueue[str | _Key] = queue.SimpleQueue()

    def type(self, *codes: str) -> None:
        """Type these codes and confirm each, now or when they are asked for."""
        for code in codes:
            self._keys.put(code)

    def cancel(self) -> None:
        """Press the cancel key."""
        self._keys.put(_Key.CANCEL)

    def time_out(self) -> None:
        """Let the time pass without typing."""
        self._keys.put(_Key.NOTHING)

    def verify(self, raw: bytes, send: Callable[[bytes], bytes], still_there: Callable[[], bool]) -> bytes:
        """Ask for a code and send the command. Raises CardRemovedError."""
        return self._serve(parse_verify, raw, send, still_there)

    def modify(self, raw: bytes, send: Callable[[bytes], bytes], still_there: Callable[[], bool]) -> bytes:
        """Ask for a new code twice, after the old one where the block says so. Raises CardRemovedError."""
        return self._serve(parse_modify, raw, send, still_there)

    def _serve(
        self,
        parse: Callable[[bytes], Block],
        raw: bytes,
        send: Callable[[bytes], bytes],
        still_there: Callable[[], bool],
    ) -> bytes:
        try:
            block = parse(raw)
        except (BlockError, IndexError):
            return BAD_BLOCK
        typed = self._ask(block, still_there)
        if isinstance(typed, bytes):
            return typed
        return send(_fill(block, typed))

    def _ask(self, block: Block, still_there: Callable[[], bool]) -> list[str] | bytes:
        """The codes of the command, or the status word with which the reader gives up."""
        typed: list[str] = []
        for _ in range(block.questions):
            key = self._next(block.timeout_s, still_there)
            if isinstance(key, _Key):
                return CANCELLED if key is _Key.CANCEL else TIMED_OUT
            if not (block.shortest <= len(key) <= block.longest and key.isdigit()):
                return WRONG_LENGTH
            typed.append(key)
        if block.questions > 1 and typed.pop() != typed[-1]:
            return DIFFERENT
        return typed

    def _next(self, timeout_s: int, still_there: Callable[[], bool]) -> str | _Key:
        end = time.monotonic() + timeout_s
        self.waiting.set()
        try:
            while time.monotonic() < end:
                if not still_there():
                    raise CardRemovedError
                try:
                    return self._keys.get(timeout=LOOK_S)
                except queue.Empty:
                    continue
            return _Key.NOTHING
        finally:
            self.waiting.clear()


def _fill(block: Block, codes: list[str]) -> bytes:
    """The command as the card gets it."""
    if not block.size:
        data = "".join(codes).encode()
        return block.template[:4] + bytes([len(data)]) + data
    command = bytearray(block.template)
    for offset, code in zip(block.offsets, codes, strict=True):
        command[COMMAND_HEAD + offset : COMMAND_HEAD + offset + len(code)] = code.encode()
    return bytes(command)
