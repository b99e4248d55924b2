"""Find and read the elementary files of a card, in transactions short enough to leave room for other programs."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from drivers.base import CardSlot, Connection, Deadline, PinPad
from drivers.card.apdu import (
    INS_READ_BINARY,
    INS_SELECT,
    SW_END_OF_FILE,
    SW_OK,
    SW_WRONG_OFFSET,
    SW_WRONG_P1_P2,
    Answer,
    Channel,
)
from drivers.card.tlv import find_tlv, read_header, read_tlvs
from drivers.errors import CardRemovedError, CardUnknownError

if TYPE_CHECKING:
    from drivers.card.dialect import Dialect

MASTER_FILE = bytes.fromhex("3F00")
P1_BY_AID, P1_BY_PATH_FROM_ROOT, P1_BY_PATH = 0x04, 0x08, 0x09
P2_FCP, P2_NO_ANSWER = 0x04, 0x0C
PIECE = 256
MAX_FILE = 0x7FFF  # READ BINARY offsets have 15 bits (ISO 7816-4 §7.2.3)
MAX_HEADER = 6
SHORTEST_CUT = 0xC0  # a piece shorter than this was not cut by a buffer: the smallest one known gives E7
MAX_EXCHANGES = 512  # for one card; an ordinary one takes 42
SLICE_S = 1.2  # a transaction is ended after this; one more exchange of a slow card keeps it below 2 s


def select(channel: Channel, path: bytes) -> None:
    """SELECT by path from the MF, 3F00 included, asking for no answer. Raises CardError (6A82: no such file)."""
    _select(channel, P1_BY_PATH, path).require(f"SELECT {path.hex().upper()}")


def select_master_file(channel: Channel) -> None:
    """Make the MF current, wherever another program has left the card."""
    select(channel, MASTER_FILE)


def application_path(channel: Channel, aid: bytes) -> bytes:
    """Path of an application that EF.DIR names by its AID alone, from tag 83 of its FCP."""
    answer = channel.command(INS_SELECT, P1_BY_AID, P2_FCP, aid, answers=True)
    identifier = find_tlv(answer.require(f"SELECT {aid.hex().upper()}"), 0x62, 0x83)
    if identifier is None:
        raise CardUnknownError("the application does not tell its file identifier")
    return MASTER_FILE + identifier.value


def select_from_root(channel: Channel, path: bytes) -> None:
    """SELECT by path from the MF, its own identifier left out (ISO 7816-4 §11.2.2, P1 = 08). Raises CardError."""
    _select(channel, P1_BY_PATH_FROM_ROOT, path).require(f"SELECT {path.hex().upper()}")


def select_application(channel: Channel, aid: bytes) -> Answer:
    """SELECT by AID, asking for no answer."""
    return _select(channel, P1_BY_AID, aid)


def _select(channel: Channel, p1: int, name: bytes) -> Answer:
    answer = channel.command(INS_SELECT, p1, P2_NO_ANSWER, name)
    if answer.sw == SW_WRONG_P1_P2:  # cards that always want to tell the FCP
        answer = channel.command(INS_SELECT, p1, P2_FCP, name, answers=True)
    return answer


def read_binary(channel: Channel, offset: int, length: int) -> Answer:
    """READ BINARY of the selected file, up to 256 bytes."""
    return channel.send(bytes([channel.cla, INS_READ_BINARY, offset >> 8, offset & 0xFF, length & 0xFF]))


@dataclass(frozen=True, slots=True)
class Sight:
    """Where a card was seen: the reader's event counter then, and whether the reader takes codes on keys of its own."""

    events: int
    on_pad: bool = False

    @classmethod
    def of(cls, connection: Connection) -> Sight:
        """What a transaction tells."""
        return cls(connection.events, isinstance(connection, PinPad))


class CardReading:
    """A long reading of one card, cut into transactions. Raises CardRemovedError when the card was changed between.

    It gives up after `max_exchanges` (CardUnknownError), so that no card can keep it busy for good. `sight`: where the
    card was seen before, if it was. `stopped`: it cannot go on, whatever file is wanted next.
    """

    max_exchanges = MAX_EXCHANGES

    def __init__(
        self,
        slot: CardSlot,
        dialect: Dialect,
        deadline: Deadline,
        slice_s: float = SLICE_S,
        sight: Sight | None = None,
    ) -> None:
        self.dialect = dialect
        self.stopped = False
        self._slot = slot
        self._deadline = deadline
        self._slice_s = slice_s
        self._open = contextlib.ExitStack()
        self._slice_end = 0.0
        self._last_exchange = slot.exchanges + self.max_exchanges
        self._channel: Channel | None = None
        self._sight = sight

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    @property
    def sight(self) -> Sight:
        """Where the card is, once it was read from."""
        assert self._sight is not None
        return self._sight

    def channel(self) -> Channel:
        """Give the channel of the running transaction; a new one is begun when its time is over."""
        if self._slot.exchanges >= self._last_exchange:
            self.stopped = True
            raise CardUnknownError("the files of the card do not end")
        if self._channel is None or time.monotonic() >= self._slice_end:
            self._channel = self._begin()
        return self._channel

    def _begin(self) -> Channel:
        self._open.close()
        self._channel, self.stopped = None, True
        connection = self._open.enter_context(self._slot.transaction(self._deadline))
        sight = Sight.of(connection)
        if self._sight not in (None, sight):
            raise CardRemovedError
        self._sight = sight
        self._slice_end = time.monotonic() + self._slice_s
        channel = self.dialect.open_channel(connection, self._deadline)
        self._enter(channel)
        self.stopped = False
        return channel

    def _enter(self, channel: Channel) -> None:
        """Do what a transaction begins with."""
        self.dialect.enter(channel)

    def read_start(self, path: bytes, length: int) -> bytes:
        """Read the first bytes of a file: two exchanges."""
        channel = self.channel()
        self.dialect.select_file(channel, path)
        return read_binary(channel, 0, length).require("READ BINARY", SW_END_OF_FILE)

    def read_file(self, path: bytes, limit: int = MAX_FILE) -> bytes:
        """Read a file to its end, or as many bytes as `limit` says."""
        return self._read(path, _File(limit))

    def read_object(self, path: bytes) -> bytes:
        """Read a file that holds one data object, such as a certificate, to the end of that object."""
        return self._read(path, _Object())

    def _read(self, path: bytes, content: _File) -> bytes:
        selected_in: Channel | None = None
        while not content.ended:
            channel = self.channel()
            if channel is not selected_in:
                self.dialect.select_file(channel, path)
                selected_in = channel
            content.add(read_binary(channel, len(content.data), content.wanted))
        return bytes(content.data)


class _File:
    """A file as far as it has been read: data objects, and perhaps padding, up to where the card says it ends."""

    def __init__(self, limit: int = MAX_FILE) -> None:
        self.data = bytearray()
        self.ended = False
        self._limit = limit

    @property
    def wanted(self) -> int:
        return min(PIECE, self._limit - len(self.data))

    def add(self, answer: Answer) -> None:
        if answer.sw not in (SW_OK, SW_END_OF_FILE) and self._refuses_offset(answer.sw):
            self.ended = True
            return
        self.data += answer.require("READ BINARY", SW_END_OF_FILE)
        self.ended = not answer.data or self._is_complete(answer)

    def _refuses_offset(self, sw: int) -> bool:
        """Whether the file ends before this offset: 6B00 says so, and cards differ in how they say it."""
        return sw == SW_WRONG_OFFSET or bool(self.data)

    def _is_complete(self, answer: Answer) -> bool:
        """A piece shorter than asked for may be the last, or cut by a small buffer in the card or the reader."""
        if answer.sw == SW_END_OF_FILE or len(self.data) >= self._limit:
            return True
        return len(answer.data) < SHORTEST_CUT and _is_whole(self.data)


class _Object(_File):
    """A file that begins with one data object, whose header tells where to stop."""

    _total = 0

    @property
    def wanted(self) -> int:
        return min(PIECE, self._total - len(self.data)) if self._total else PIECE

    def _refuses_offset(self, sw: int) -> bool:
        return sw == SW_WRONG_OFFSET and not self.data

    def _is_complete(self, answer: Answer) -> bool:
        if not self._total:
            _, header, length = read_header(bytes(self.data[:MAX_HEADER]))
            self._total = header + length
            if self._total > MAX_FILE:
                raise CardUnknownError("a data object longer than a file")
        del self.data[self._total :]
        return answer.sw == SW_END_OF_FILE or len(self.data) >= self._total


def _is_whole(content: bytearray) -> bool:
    try:
        return all(True for _ in read_tlvs(bytes(content)))
    except CardUnknownError:
        return False
