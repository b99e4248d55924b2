"""Find and read the elementary files of a card, in transactions short enough to leave room for other programs."""

from __future__ import annotations

import contextlib
import time
from typing import Self

from drivers.base import Deadline, Slot
from drivers.card.apdu import (
    INS_READ_BINARY,
    INS_SELECT,
    SW_END_OF_FILE,
    SW_FILE_NOT_FOUND,
    SW_OK,
    SW_WRONG_OFFSET,
    SW_WRONG_P1_P2,
    Answer,
    Channel,
)
from drivers.card.tlv import find_tlv, read_header, read_tlvs
from drivers.errors import CardError, CardRemovedError, CardUnknownError

MASTER_FILE = bytes.fromhex("3F00")
P1_BY_AID, P1_BY_PATH = 0x04, 0x09
P2_FCP, P2_NO_ANSWER = 0x04, 0x0C
PIECE = 256
MAX_FILE = 0x7FFF  # READ BINARY offsets have 15 bits (ISO 7816-4 §7.2.3)
SLICE_S = 1.2  # a transaction is ended after this; one more exchange of a slow card keeps it below 2 s


def select(channel: Channel, path: bytes) -> None:
    """SELECT by path from the MF, 3F00 included, asking for no answer. Raises CardError (6A82: no such file)."""
    _select(channel, P1_BY_PATH, path).require(f"SELECT {path.hex().upper()}")


def select_master_file(channel: Channel) -> None:
    """Make the MF current, wherever another program has left the card."""
    select(channel, MASTER_FILE)


def application_path(channel: Channel, aid: bytes) -> bytes:
    """Path of an application that EF.DIR names by its AID alone, from tag 83 of its FCP."""
    answer = channel.command(INS_SELECT, P1_BY_AID, P2_FCP, aid)
    identifier = find_tlv(answer.require(f"SELECT {aid.hex().upper()}"), 0x62, 0x83)
    if identifier is None:
        raise CardUnknownError("the application does not tell its file identifier")
    return MASTER_FILE + identifier.value


def _select(channel: Channel, p1: int, name: bytes) -> Answer:
    answer = channel.command(INS_SELECT, p1, P2_NO_ANSWER, name)
    if answer.sw == SW_WRONG_P1_P2:  # cards that always want to tell the FCP
        answer = channel.command(INS_SELECT, p1, P2_FCP, name)
    return answer


def read_binary(channel: Channel, offset: int, length: int) -> Answer:
    """READ BINARY of the selected file, up to 256 bytes."""
    return channel.send(bytes([0x00, INS_READ_BINARY, offset >> 8, offset & 0xFF, length & 0xFF]))


class CardReading:
    """A long reading of one card, cut into transactions. Raises CardRemovedError when the card was changed between."""

    def __init__(self, slot: Slot, deadline: Deadline, slice_s: float = SLICE_S) -> None:
        self._slot = slot
        self._deadline = deadline
        self._slice_s = slice_s
        self._open = contextlib.ExitStack()
        self._slice_end = 0.0
        self._channel: Channel | None = None
        self.events: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def channel(self) -> Channel:
        """Give the channel of the running transaction; a new one is begun when its time is over."""
        if self._channel is None or time.monotonic() >= self._slice_end:
            self._begin()
        assert self._channel is not None
        return self._channel

    def _begin(self) -> None:
        self._open.close()
        connection = self._open.enter_context(self._slot.transaction(self._deadline))
        if self.events is None:
            self.events = connection.events
        elif self.events != connection.events:
            raise CardRemovedError
        self._slice_end = time.monotonic() + self._slice_s
        self._channel = Channel(connection)

    def read_start(self, path: bytes, length: int) -> bytes:
        """Read the first bytes of a file: two exchanges."""
        channel = self.channel()
        select(channel, path)
        answer = read_binary(channel, 0, length)
        if answer.sw not in (SW_OK, SW_END_OF_FILE):
            answer.require("READ BINARY")
        return answer.data

    def read_file(self, path: bytes) -> bytes:
        """Read a file to its end."""
        return self._read(path, _Content(one_object=False))

    def read_object(self, path: bytes) -> bytes:
        """Read a file that holds one data object, such as a certificate, to the end of that object."""
        return self._read(path, _Content(one_object=True))

    def read_file_if_present(self, path: bytes) -> bytes | None:
        """Read a file that not every card has."""
        try:
            return self.read_file(path)
        except CardError as error:
            if error.sw == SW_FILE_NOT_FOUND:
                return None
            raise

    def _read(self, path: bytes, content: _Content) -> bytes:
        selected_in: Channel | None = None
        while not content.ended:
            self._deadline.check()
            channel = self.channel()
            if channel is not selected_in:
                select(channel, path)
                selected_in = channel
            content.add(read_binary(channel, len(content.data), content.wanted))
        return bytes(content.data[: content.total])


class _Content:
    """A file as far as it has been read."""

    def __init__(self, *, one_object: bool) -> None:
        self.data = bytearray()
        self.total = MAX_FILE
        self.ended = False
        self._one_object = one_object

    @property
    def wanted(self) -> int:
        return min(PIECE, self.total - len(self.data))

    def add(self, answer: Answer) -> None:
        if answer.sw == SW_WRONG_OFFSET and self.data:
            self.ended = True
            return
        if answer.sw != SW_END_OF_FILE:
            answer.require("READ BINARY")
        self.data += answer.data
        if self._one_object and self.total == MAX_FILE:
            _, header, length = read_header(bytes(self.data[:8]))
            self.total = min(MAX_FILE, header + length)
        self.ended = len(self.data) >= self.total or self._was_last(answer)

    def _was_last(self, answer: Answer) -> bool:
        if answer.length_mended or answer.sw == SW_END_OF_FILE or not answer.data:
            return True
        return not self._one_object and len(answer.data) < PIECE and _is_whole(self.data)


def _is_whole(content: bytearray) -> bool:
    try:
        return all(True for _ in read_tlvs(bytes(content)))
    except CardUnknownError:
        return False
