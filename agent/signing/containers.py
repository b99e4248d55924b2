"""ASiC-E containers (ETSI EN 319 162-1 §4.4): ZIP files with documents and, in META-INF, what is said of them."""

from __future__ import annotations

import io
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from agent.signing.errors import DocumentRefusedError

MIMETYPE: Final = "mimetype"
MEDIA_TYPE: Final = "application/vnd.etsi.asic-e+zip"
META_INF: Final = "META-INF/"
MANIFEST: Final = "META-INF/manifest.xml"
SIGNATURES: Final = re.compile(r"META-INF/[^/]*signatures[^/]*\.xml\Z")

MAX_FILES: Final = 1000
MAX_CONTENT: Final = 64 * 1024 * 1024
"""Of all files of a container together, unpacked."""

_START: Final = b"PK\3\4"
_FORBIDDEN = re.compile("[\x00-\x1f\x7f\\\\:\ud800-\udfff\ufffe\uffff]")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first moment that ZIP knows: when files were packed is nobody's business
_ENCRYPTED: Final = 0x1  # general purpose bits, and sizes: APPNOTE 6.3 §4.3.7, §4.3.9, §4.3.16, §4.4.4
_DESCRIBED_AFTER: Final = 0x8
_HEADER: Final = 30
_LENGTHS_AT: Final = 26
_LENGTHS: Final = struct.Struct("<HH")  # of name and extra field
_LOCAL_AT: Final = 6
_LOCAL: Final = struct.Struct("<HH4xIII")  # flags, method, CRC, packed and unpacked size
_OTHER_NAMES: Final = frozenset({0x7075, 0x6375})  # extra fields by which some programs exchange name and comment
_DESCRIPTION: Final = b"PK\7\x08"
_END: Final = b"PK\5\6"
_END_SIZE: Final = 22


def is_container(content: bytes) -> bool:
    """Whether it says of itself that it is one (§A.1): at its very start, where other programs look too."""
    return content.startswith(_START) and content[30:].startswith(f"{MIMETYPE}{MEDIA_TYPE}".encode())


def check_names(names: Iterable[str]) -> None:
    """Raise DocumentRefusedError for one that could leave its folder, or be taken for another's or the container's."""
    known: set[str] = set()
    for name in names:
        parts = name.split("/")
        if not {"", ".", ".."}.isdisjoint(parts) or _FORBIDDEN.search(name):
            raise DocumentRefusedError("no name for a file in a container", name)
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in known or folded == MIMETYPE or folded.split("/")[0] == "meta-inf":
            raise DocumentRefusedError("a name that the container has already", name)
        known.add(folded)


def documents_of(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of its files that are signed: all but the container's own."""
    return {name: content for name, content in files.items() if name != MIMETYPE and not name.startswith(META_INF)}


def write_container(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of these files after the one that says what it is; the same files give the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(_entry(MIMETYPE), MEDIA_TYPE, zipfile.ZIP_STORED)
        for name, content in files.items():
            if name != MIMETYPE:
                archive.writestr(_entry(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system = 0  # whose files have no permissions that could be wrong
    entry.external_attr = 0
    return entry


def read_container(content: bytes, name: str | None = None) -> dict[str, bytes]:
    """All its files by name, in their order. Raises DocumentRefusedError, for `name`.

    Refused: anything that two programs could unpack differently, that is encrypted, or unpacks to more than the caps.
    """
    if not is_container(content):
        raise DocumentRefusedError("no ASiC-E container: it has to begin with its media type, unpacked", name)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_layout(archive, content)
            files = _read_all(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise DocumentRefusedError(f"no ZIP file that can be read: {str(error)[:100]}", name) from error
    except DocumentRefusedError as error:
        raise DocumentRefusedError(f"{str(error)[:100]}: {error.document!r}", name) from error
    if files.get(MIMETYPE) != MEDIA_TYPE.encode():
        raise DocumentRefusedError("its media type is not that of ASiC-E", name)
    return files


def _check_layout(archive: zipfile.ZipFile, content: bytes) -> None:
    """Refuse bytes that no entry of the directory accounts for: a program that reads from the start would see them."""
    end = 0
    for entry in sorted(archive.infolist(), key=lambda entry: entry.header_offset):
        if entry.header_offset != end:
            raise DocumentRefusedError("bytes between files", entry.filename)
        _check_local(entry, content)
        end += _HEADER + sum(_LENGTHS.unpack_from(content, end + _LENGTHS_AT)) + entry.compress_size
        if entry.flag_bits & _DESCRIBED_AFTER:
            end += 16 if content.startswith(_DESCRIPTION, end) else 12
    if end != archive.start_dir or not content.startswith(_END, len(content) - _END_SIZE - len(archive.comment)):
        raise DocumentRefusedError("bytes beside the files", MIMETYPE)
    if archive.comment not in (b"", f"mimetype={MEDIA_TYPE}".encode()):  # EN 319 162-1 §A.1 allows the latter
        raise DocumentRefusedError("a comment of the whole", MIMETYPE)


def _check_local(entry: zipfile.ZipInfo, content: bytes) -> None:
    """Refuse an entry that says something else to programs that read from the start than to those from the end."""
    flags, method, *sizes = _LOCAL.unpack_from(content, entry.header_offset + _LOCAL_AT)
    known = [entry.CRC, entry.compress_size, entry.file_size]
    is_later = flags & _DESCRIBED_AFTER and not any(sizes)
    if (flags, method) != (entry.flag_bits, entry.compress_type) or not (is_later or sizes == known):
        raise DocumentRefusedError("a file that is described in two ways", entry.filename)
    name_length, extra_length = _LENGTHS.unpack_from(content, entry.header_offset + _LENGTHS_AT)
    extra_at = entry.header_offset + _HEADER + name_length
    if _OTHER_NAMES & {*_extra_kinds(entry.extra), *_extra_kinds(content[extra_at : extra_at + extra_length])}:
        raise DocumentRefusedError("a file with two names", entry.filename)


def _extra_kinds(extra: bytes) -> Iterator[int]:
    """APPNOTE 6.3 §4.5.1."""
    at = 0
    while at + _LENGTHS.size <= len(extra):
        kind, length = _LENGTHS.unpack_from(extra, at)
        yield kind
        at += _LENGTHS.size + length


def _read_all(archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_CONTENT:
        raise DocumentRefusedError("too many files, or too much of them")
    for entry in entries:
        _check_entry(entry)
    wanted = [entry for entry in entries if not entry.is_dir()]
    names = [entry.filename for entry in wanted]
    check_names(name.removeprefix(META_INF) for name in names if name.startswith(META_INF))
    check_names(name for name in names if name != MIMETYPE and not name.startswith(META_INF))
    if names.count(MIMETYPE) != 1:
        raise DocumentRefusedError("a container has one media type")
    return {entry.filename: archive.read(entry) for entry in wanted}


def _check_entry(entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DocumentRefusedError("a file that is encrypted, or packed in a rare way", entry.filename)
    if entry.orig_filename != entry.filename or (entry.is_dir() and entry.file_size):
        raise DocumentRefusedError("a file with another name than it seems", entry.filename)
