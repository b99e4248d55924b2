"""ASiC-E containers with XAdES signatures (ETSI EN 319 162-1 §4.4): each signature is for every document in it.

A document that a signature does not name could be taken for a signed one: then it is not valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import unquote

from agent.signing.containers import MANIFEST, META_INF, SIGNATURES, documents_of, is_container, read_container
from agent.signing.errors import DocumentRefusedError
from agent.signing.verification.findings import Finding, Reason, UnreadableError
from agent.signing.verification.xml.reading import read_document
from agent.signing.words import Format

ROOT: Final = "{http://uri.etsi.org/02918/v1.2.1#}XAdESSignatures"


def read_signatures(content: bytes, detached: bytes | None) -> list[Finding]:
    """Find and check every signature; a ZIP file of another kind has none. Raises UnreadableError."""
    if not is_container(content):
        return []
    if detached is not None:
        raise UnreadableError("a container holds what it signs: nothing beside it is looked at")
    try:
        files = read_container(content)
    except DocumentRefusedError as error:
        raise UnreadableError(str(error)) from error
    _require_known(files)
    return [finding for name in files if SIGNATURES.match(name) for finding in _read(files, name)]


def _require_known(files: Mapping[str, bytes]) -> None:
    """Signatures by CAdES, and whatever else says something of the documents, are not read: nothing is told then."""
    own = [name for name in files if name.startswith(META_INF)]
    unknown = [name for name in own if name != MANIFEST and not SIGNATURES.match(name)]
    if unknown:
        raise UnreadableError(f"a container with {unknown[0][:100]!r}, which is not read")


def _read(files: Mapping[str, bytes], name: str) -> list[Finding]:
    documents = documents_of(files)
    findings = read_document(files[name], lambda uri: documents.get(unquote(uri)), ROOT)
    return [_require_all(finding, documents) for finding in findings]


def _require_all(finding: Finding, documents: Mapping[str, bytes]) -> Finding:
    names = tuple(map(unquote, finding.names))
    found = replace(finding, format=Format.ASIC_E, names=names)
    if found.reason is not None:
        return found
    if finding.format is not Format.XADES:
        return replace(found, reason=Reason.MALFORMED, level=None, hint="a signature in a container is XAdES")
    missing = documents.keys() - set(names)
    if missing:
        return replace(found, reason=Reason.NOT_COVERED, hint=f"{min(missing)[:100]!r} is not signed")
    return found
