"""Authorities that the settings name: files of certificates, and folders of such files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from agent.certificates.issuers import is_authority
from agent.certificates.pem import read_certificates
from drivers.card.certificate import Certificate, parse_certificate
from drivers.errors import CardUnknownError

log = logging.getLogger(__name__)

SUFFIXES = frozenset({".pem", ".crt", ".cer", ".der"})
MAX_FILES, MAX_SIZE = 64, 256 * 1024
MAX_AUTHORITIES = 128


def read_authorities(paths: Iterable[Path]) -> tuple[Certificate, ...]:
    """The authorities in these files and folders, at most 128; what is none, or cannot be read, is said in the log."""
    certificates = (certificate for file in islice(_list_files(paths), MAX_FILES) for certificate in _read(file))
    return tuple(islice(certificates, MAX_AUTHORITIES))


def _list_files(paths: Iterable[Path]) -> Iterator[Path]:
    """A folder gives the files that it holds itself, by name."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        else:
            yield path


def _read(file: Path) -> Iterator[Certificate]:
    try:
        for der in read_certificates(_read_bytes(file)):
            certificate = parse_certificate(der)
            if is_authority(certificate):
                yield certificate
            else:
                log.warning("%s: a certificate that is no authority's is left out", file)
    except (OSError, ValueError, CardUnknownError) as error:
        log.warning("%s cannot be used as an authority: %s", file, error)


def _read_bytes(file: Path) -> bytes:
    with file.open("rb") as opened:
        content = opened.read(MAX_SIZE + 1)
    if len(content) > MAX_SIZE:
        raise ValueError("larger than certificates are")
    return content
