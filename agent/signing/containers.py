"""ASiC-E containers (ETSI EN 319 162-1 §4.4): ZIP files with documents and, in META-INF, what is said of them."""

from __future__ import annotations

import io
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from typing import Final

from agent.signing.errors import DocumentRefusedError
from agent.signing.zip_layout import check_layout

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
_COMMENTS: Final = (b"", f"mimetype={MEDIA_TYPE}".encode())  # §A.1 allows the latter


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
            _check_size(archive)
            check_layout(archive, content, _COMMENTS)
            files = _read_all(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise DocumentRefusedError(f"no ZIP file that can be read: {str(error)[:100]}", name) from error
    except DocumentRefusedError as error:
        raise DocumentRefusedError(f"{str(error)[:100]}: {error.document!r}", name) from error
    if files.get(MIMETYPE) != MEDIA_TYPE.encode():
        raise DocumentRefusedError("its media type is not that of ASiC-E", name)
    return files


def _check_size(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_CONTENT:
        raise DocumentRefusedError("too many files, or too much of them")


def _read_all(archive: zipfile.ZipFile) -> dict[str, bytes]:
    wanted = [entry for entry in archive.infolist() if not entry.is_dir()]
    names = [entry.filename for entry in wanted]
    check_names(name.removeprefix(META_INF) for name in names if name.startswith(META_INF))
    check_names(name for name in names if name != MIMETYPE and not name.startswith(META_INF))
    if names.count(MIMETYPE) != 1:
        raise DocumentRefusedError("a container has one media type")
    return {entry.filename: archive.read(entry) for entry in wanted}
