"""What passes between the agent and its worker: a JSON header of capped length, then the bytes that it announces."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, BinaryIO, Final, TypeVar

import msgspec

from agent.signing.documents import Document
from agent.signing.preparation import Outside, Signer

MAX_HEADER: Final = 8 * 1024 * 1024
MAX_BLOBS: Final = 256 * 1024 * 1024
LENGTH: Final = struct.Struct(">I")


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """A header. `blobs`: the lengths in bytes of what follows it, in order."""

    blobs: tuple[int, ...] = ()


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document without its content; `at_hand`: that follows as the next blob."""

    name: str
    size: int | None
    sha256: bytes
    media_type: str | None
    uri: str | None
    at_hand: bool


class Prepare(Message, frozen=True, kw_only=True):
    """Make everything up to the key's values.

    `apart`: each document on its own, refused or not; `go_on`: what was prepared before waits as well, and comes first.
    """

    kind: str
    terms: msgspec.Raw
    signer: Signer
    outside: Outside
    documents: tuple[Head, ...]
    apart: bool = False
    go_on: bool = False


class Check(Message, frozen=True, kw_only=True):
    """Look whether this could be made at all; `apart`: each document on its own."""

    kind: str
    terms: msgspec.Raw
    outside: Outside
    documents: tuple[Head, ...]
    apart: bool = False


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of several that was refused: its place among them, the name of a SigningError, and its message."""

    place: int
    error: str
    message: str


class Checked(Message, frozen=True, kw_only=True):
    """It could, apart from what is refused."""

    refused: tuple[Refusal, ...] = ()


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signature that waits for its value: the hash of what the key is to sign, named as hashlib does."""

    name: str
    media_type: str
    hash_name: str
    digest: bytes


class Prepared(Message, frozen=True, kw_only=True):
    """The answer to Prepare: what was made, without what was refused."""

    made: tuple[Made, ...]
    refused: tuple[Refusal, ...] = ()


class Complete(Message, frozen=True, kw_only=True):
    """The key's values, in the order of what was made, from the first that waits. `apart`: each on its own."""

    values: tuple[bytes, ...]
    apart: bool = False


class Completed(Message, frozen=True, kw_only=True):
    """The signatures, as blobs, without what was refused."""

    refused: tuple[Refusal, ...] = ()


class Failed(Message, frozen=True, kw_only=True):
    """Why not: the name of a SigningError, its message, and the document at fault."""

    error: str
    message: str
    document: str | None = None


Order = Check | Prepare | Complete
Answer = Checked | Prepared | Completed | Failed
M = TypeVar("M")


class MessageError(ValueError):
    """Bytes that are no message."""


def write_message(message: Message, blobs: Sequence[bytes] = ()) -> list[bytes]:
    """The pieces to send. `message.blobs` is filled in here."""
    return [*write_header(message, list(map(len, blobs))), *blobs]


def write_header(message: Message, lengths: Sequence[int]) -> list[bytes]:
    """The same without the blobs, whose lengths in bytes are these."""
    header = msgspec.json.encode(msgspec.structs.replace(message, blobs=tuple(lengths)))
    return [LENGTH.pack(len(header)), header]


def read_length(prefix: bytes) -> int:
    """How long the header is. Raises MessageError over the cap."""
    (length,) = LENGTH.unpack(prefix)
    if not 0 < length <= MAX_HEADER:
        raise MessageError(f"a header of {length} bytes")
    return int(length)


def read_header(header: bytes, kind: Any) -> Any:
    """Parse a header of one of the kinds, with the lengths of its blobs looked at. Raises MessageError."""
    try:
        message = msgspec.json.decode(header, type=kind)
    except msgspec.MsgspecError as error:
        raise MessageError(str(error)) from error
    if any(length < 0 for length in message.blobs) or sum(message.blobs) > MAX_BLOBS:
        raise MessageError("more bytes than a message takes")
    return message


def receive(stream: BinaryIO, kind: Any) -> tuple[Any, list[bytes]] | None:
    """Read one message from a file; None at its end. Raises MessageError."""
    prefix = stream.read(LENGTH.size)
    if not prefix:
        return None
    message = read_header(_exactly(stream, read_length(prefix)), kind)
    return message, [_exactly(stream, length) for length in message.blobs]


def _exactly(stream: BinaryIO, length: int) -> bytes:
    content = stream.read(length)
    if len(content) != length:
        raise MessageError("the stream ended within a message")
    return content


def write_heads(documents: Sequence[Document]) -> tuple[tuple[Head, ...], list[bytes]]:
    """Documents as headers, and the contents that are at hand."""
    heads = tuple(
        Head(each.name, each.size, each.sha256, each.media_type, each.uri, each.content is not None)
        for each in documents
    )
    return heads, [each.content for each in documents if each.content is not None]


def read_heads(heads: Sequence[Head], blobs: Sequence[bytes]) -> list[Document]:
    """Documents again. Raises MessageError when the contents are not as many as announced."""
    left = list(reversed(blobs))
    if sum(head.at_hand for head in heads) != len(left):
        raise MessageError("other contents than announced")
    return [
        Document(head.name, head.size, head.sha256, left.pop() if head.at_hand else None, head.media_type, head.uri)
        for head in heads
    ]
