"""What a client sends to be signed: documents as bytes, files or hashes; files travel as they are, and are not held."""

from __future__ import annotations

import base64
import errno
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PIECE: Final = 1024 * 1024
MAX_UPLOAD: Final = 1000 * 1024 * 1024
"""Bytes of files in one call, a little less than the agent takes; of more it is sent the hashes."""

MAX_DOCUMENTS: Final = 50
"""Of one call; a batch takes more."""

Json = dict[str, Any]


class FileChangedError(Exception):
    """A file became longer, shorter or unreadable while it was sent. `path`: which."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} changed while it was read")
        self.path = path


@dataclass(frozen=True, slots=True)
class Sha256:
    """The hash of a document that stays where it is."""

    value: bytes


@dataclass(frozen=True, slots=True)
class ToSign:
    """A document by its bytes, a file that holds it, or its hash."""

    name: str
    source: bytes | Path | Sha256
    media_type: str | None = None
    uri: str | None = None

    def to_json(self) -> Json:
        """As a member of `documents`; the content of a file is not in it."""
        described: Json = given(name=self.name, mediaType=self.media_type, uri=self.uri)
        if isinstance(self.source, bytes):
            return described | {"content": to_base64(self.source)}
        if isinstance(self.source, Sha256):
            return described | {"digest": to_base64(self.source.value), "digestAlgorithm": "sha256"}
        return described


@dataclass(frozen=True, slots=True)
class ToVerify:
    """A document with signatures; `detached`: what they sign, where that stands apart. All bytes, or all files."""

    name: str
    source: bytes | Path
    detached: bytes | Path | None = None

    def to_json(self) -> Json:
        """As a member of `documents`; the content of a file is not in it."""
        parts = {"content": self.source, "detachedContent": self.detached}
        return {"name": self.name} | {name: to_base64(part) for name, part in parts.items() if isinstance(part, bytes)}

    def list_files(self) -> list[tuple[str, Path]]:
        """Names of parts, and the files that they hold."""
        parts = (("file", self.source), ("detachedContent", self.detached))
        return [(name, part) for name, part in parts if isinstance(part, Path)]


@dataclass(frozen=True, slots=True)
class SignOptions:
    """How it is to be signed, as POST /v1/signatures names it; what is None is the format's to choose."""

    format: str = "cms"
    level: str | None = None
    packaging: str | None = None
    detached: bool | None = None
    scheme: str | None = None
    serialization: str | None = None
    policy: Json | None = None
    claimed_role: str | None = None
    reason: str | None = None
    location: str | None = None
    field: str | None = None
    appearance: Json | None = None

    def to_json(self) -> Json:
        """The members of the call beside `documents`."""
        return given(
            format=self.format,
            level=self.level,
            packaging=self.packaging,
            detached=self.detached,
            scheme=self.scheme,
            serialization=self.serialization,
            policy=self.policy,
            claimedRole=self.claimed_role,
            reason=self.reason,
            location=self.location,
            field=self.field,
            appearance=self.appearance,
        )


class Upload:
    """A request and its files as multipart/form-data (RFC 7578), piece by piece; `length` in bytes is known before."""

    def __init__(self, request: Json, files: Sequence[Path], names: Sequence[str] | None = None) -> None:
        """`names`: those of the parts, `file` otherwise. Raises OSError for a file that cannot be looked at."""
        self._boundary = secrets.token_hex(16)
        self._request = json.dumps(request).encode()
        self._files = [(path, _measure(path)) for path in files]
        self._names = names or ["file"] * len(files)
        heads = sum(len(self._head(name)) for name in ["request", *self._names])
        ends = 2 * (1 + len(files))
        self.length = heads + ends + len(self._request) + sum(size for _, size in self._files) + len(self._end)

    @property
    def content_type(self) -> str:
        """With the boundary."""
        return f"multipart/form-data; boundary={self._boundary}"

    def __iter__(self) -> Iterator[bytes]:
        """Give all of it. Raises FileChangedError."""
        yield self._head("request") + self._request + b"\r\n"
        for name, (path, size) in zip(self._names, self._files, strict=True):
            yield self._head(name)
            yield from _read_pieces(path, size)
            yield b"\r\n"
        yield self._end

    def _head(self, name: str) -> bytes:
        """Files have no name here: they stand in the order of the documents, whose names are in the request."""
        return f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()

    @property
    def _end(self) -> bytes:
        return f"--{self._boundary}--\r\n".encode()


class FileUpload:
    """A file as it is, piece by piece; `length` in bytes is known before. Raises OSError for one that is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.length = _measure(path)

    def __iter__(self) -> Iterator[bytes]:
        """Give all of it. Raises FileChangedError."""
        return _read_pieces(self._path, self.length)


def _measure(path: Path) -> int:
    """Its size in bytes. Raises OSError for what is not there, and for a folder."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.stat().st_size


def _read_pieces(path: Path, size: int) -> Iterator[bytes]:
    left = size
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                left -= len(piece)
                if left < 0:
                    raise FileChangedError(path)
                yield piece
    except OSError as error:
        raise FileChangedError(path) from error
    if left:
        raise FileChangedError(path)


def given(**members: Any) -> Json:
    """The members that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def to_base64(content: bytes) -> str:
    """As bytes travel in JSON."""
    return base64.b64encode(content).decode()
