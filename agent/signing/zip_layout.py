"""Every byte of a ZIP file accounted for (APPNOTE 6.3): nothing in it can be changed without it being refused.

Nothing signs the headers of an archive. Where they say a thing twice, both must say the same; where they say it once,
it must be what other files of the archive say, or what any archive says.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from agent.signing.errors import DocumentRefusedError

_ENCRYPTED: Final = 0x1  # general purpose bits: §4.4.4
_DESCRIBED_AFTER: Final = 0x8
_LOCAL: Final = struct.Struct("<4xHHHHHIIIHH")  # §4.3.7, up to the lengths of name and extra field
_DESCRIPTION: Final = b"PK\7\x08"
_DESCRIBED: Final = struct.Struct("<III")  # §4.3.9, without its signature
_UTF8: Final = 0x800
_DIRECTORY: Final = struct.Struct("<28xHHH")  # §4.3.12: lengths of name, extra field and comment
_DIRECTORY_SIZE: Final = 46
_END: Final = struct.Struct("<4sHHHHIIH")  # §4.3.16
_END_SIGNATURE: Final = b"PK\5\6"
_OTHER_NAMES: Final = frozenset({0x7075, 0x6375})  # extra fields by which some programs exchange name and comment
_REST: Final = 8 * 258  # more than one byte can still stand for
_EXTRA: Final = struct.Struct("<HH")
_REGULAR_FILE: Final = 0o100000


def check_layout(archive: zipfile.ZipFile, content: bytes, comments: Sequence[bytes] = (b"",)) -> None:
    """Refuse what two programs could unpack differently, and what nobody would miss. Raises DocumentRefusedError."""
    end = 0
    entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    for entry in entries:
        if entry.header_offset != end:
            raise DocumentRefusedError("bytes between files", entry.filename)
        _check_entry(entry)
        end = _check_file(entry, content)
    _check_alike(entries)
    _check_end(archive, content, end)
    if archive.comment not in comments:
        raise DocumentRefusedError("a comment of the whole", "")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """What the directory alone says of a file."""
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DocumentRefusedError("a file that is encrypted, or packed in a rare way", entry.filename)
    if entry.orig_filename != entry.filename or (entry.is_dir() and entry.file_size):
        raise DocumentRefusedError("a file with another name than it seems", entry.filename)
    if entry.comment or entry.volume or entry.internal_attr not in (0, 1):
        raise DocumentRefusedError("a file that is described in a rare way", entry.filename)


def _check_file(entry: zipfile.ZipInfo, content: bytes) -> int:
    """What stands before, in and after the packed file. Gives the place where that ends."""
    version, flags, method, *moment, crc, packed, size, name_length, extra_length = _LOCAL.unpack_from(
        content, entry.header_offset
    )
    sizes, known = (crc, packed, size), (entry.CRC, entry.compress_size, entry.file_size)
    is_later = bool(flags & _DESCRIBED_AFTER) and not any(sizes)
    expected = (entry.extract_version, entry.flag_bits, entry.compress_type, *_dos_moment(entry))
    if (version, flags, method, *moment) != expected or not (is_later or sizes == known):
        raise DocumentRefusedError("a file that is described in two ways", entry.filename)
    extra_at = entry.header_offset + _LOCAL.size + name_length
    start = extra_at + extra_length
    if _OTHER_NAMES & {*_extra_kinds(entry.extra), *_extra_kinds(content[extra_at:start])}:
        raise DocumentRefusedError("a file with two names", entry.filename)
    end = start + entry.compress_size
    if method == zipfile.ZIP_DEFLATED:
        _check_packed(content[start:end], entry)
    return _skip_description(content, end, known, entry) if flags & _DESCRIBED_AFTER else end


def _dos_moment(entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Time and date as headers have them (§4.4.6)."""
    year, month, day, hour, minute, second = entry.date_time
    return hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day


def _extra_kinds(extra: bytes) -> Iterator[int]:
    """The kinds of extra fields (§4.5.1)."""
    at = 0
    while at + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, at)
        yield kind
        at += _EXTRA.size + length


def _check_packed(packed: bytes, entry: zipfile.ZipInfo) -> None:
    """Refuse a stream that does not end with its last byte, or has anything but zeroes behind its last bit."""
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
    unpacking.decompress(packed[:-1], entry.file_size + 1)
    last = packed[-1] if packed else 0
    if unpacking.eof or unpacking.unconsumed_tail or _finish(unpacking, last) is None:
        raise DocumentRefusedError("a packed file with something behind its end", entry.filename)
    if last >> _count_bits(unpacking, last):
        raise DocumentRefusedError("a packed file with something behind its end", entry.filename)


def _count_bits(unpacking: Any, last: int) -> int:
    """How many bits of its last byte a stream needs: whatever stands above them, it ends alike."""
    whole = _finish(unpacking, last)
    for count in range(8):
        low = last & (1 << count) - 1
        if _finish(unpacking, low) == whole == _finish(unpacking, low | 0xFF << count & 0xFF):
            return count
    return 8


def _finish(unpacking: Any, last: int) -> bytes | None:
    """The rest of the content with this last byte; None where the stream does not end with it."""
    trial = unpacking.copy()
    try:
        rest: bytes = trial.decompress(bytes([last]), _REST)
    except zlib.error:
        return None
    return rest if trial.eof and not trial.unused_data else None


def _skip_description(content: bytes, end: int, known: tuple[int, int, int], entry: zipfile.ZipInfo) -> int:
    at = end + len(_DESCRIPTION) if content.startswith(_DESCRIPTION, end) else end
    if _DESCRIBED.unpack_from(content, at) != known:
        raise DocumentRefusedError("a file that is described in two ways", entry.filename)
    return at + _DESCRIBED.size


def _check_alike(entries: Sequence[zipfile.ZipInfo]) -> None:
    """One program has written the archive: it says the same of all files, but for the modes of Unix."""
    if len({(entry.create_version, entry.create_system) for entry in entries}) > 1:
        raise DocumentRefusedError("files of several programs", "")
    attributes = {(entry.external_attr, entry.internal_attr) for entry in entries}
    if len(attributes) > 1 and not all(map(_has_mode, entries)):
        raise DocumentRefusedError("files of several programs", "")


def _has_mode(entry: zipfile.ZipInfo) -> bool:
    kind = entry.external_attr >> 16 & 0o170000
    return kind == _REGULAR_FILE or entry.is_dir()


def _check_end(archive: zipfile.ZipFile, content: bytes, end: int) -> None:
    """The directory begins where the files end, and the end of it is that of the archive."""
    at = archive.start_dir
    if end != at:
        raise DocumentRefusedError("bytes beside the files", "")
    for entry in archive.infolist():
        lengths = (len(entry.filename.encode(_encoding(entry))), len(entry.extra), len(entry.comment))
        if entry.reserved or _DIRECTORY.unpack_from(content, at) != lengths:
            raise DocumentRefusedError("a file that is described in a rare way", entry.filename)
        at += _DIRECTORY_SIZE + sum(lengths)
    count = len(archive.infolist())
    told = (_END_SIGNATURE, 0, 0, count, count, at - end, end, len(archive.comment))
    if at + _END.size + len(archive.comment) != len(content) or _END.unpack_from(content, at) != told:
        raise DocumentRefusedError("bytes beside the files", "")


def _encoding(entry: zipfile.ZipInfo) -> str:
    return "utf-8" if entry.flag_bits & _UTF8 else "cp437"
