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
from agent.signing.verification.xml.properties import is_of_xades
from agent.signing.verification.xml.reading import read_document
from agent.signing.words import Format
from agent.signing.xml import parse_xml
from agent.signing.xml_companions import hides_content
from agent.signing.xml_names import ASIC, ODF, ds

ROOT: Final = f"{{{ASIC}}}XAdESSignatures"
LISTED: Final = f"{{{ODF}}}"


def read_signatures(content: bytes, detached: bytes | None) -> list[Finding]:
    """Find and check every signature; a ZIP file of another kind has none. Raises UnreadableError."""
    if not is_container(content):
        return []
    if detached is not None:
        raise UnreadableError("a container holds what it signs: nothing beside it is looked at")
    try:
        files = read_container(content)
        _require_known(files)
        return [finding for name in files if SIGNATURES.match(name) for finding in _read(files, name)]
    except DocumentRefusedError as error:
        raise UnreadableError(str(error)) from error


def _require_known(files: Mapping[str, bytes]) -> None:
    """Signatures by CAdES, and whatever else says something of the documents, are not read: nothing is told then."""
    own = [name for name in files if name.startswith(META_INF)]
    unknown = [name for name in own if name != MANIFEST and not SIGNATURES.match(name)]
    if unknown:
        raise UnreadableError(f"a container with {unknown[0][:100]!r}, which is not read")
    if MANIFEST in files:
        _require_honest(files[MANIFEST], files)


def _require_honest(manifest: bytes, files: Mapping[str, bytes]) -> None:
    """Nothing signs the list of files: it may name those that are there."""
    listed = [each.get(f"{LISTED}full-path", "") for each in parse_xml(manifest).iterfind(f"{LISTED}file-entry")]
    named = {path for path in listed if not path.endswith("/")}
    if len(set(listed)) != len(listed) or not documents_of(files).keys() <= named <= files.keys():
        raise UnreadableError("a container whose manifest lists other files than it has")


def _read(files: Mapping[str, bytes], name: str) -> list[Finding]:
    documents = documents_of(files)
    findings = read_document(files[name], lambda uri: documents.get(unquote(uri)), ROOT)
    if not _signs_files_alone(files[name]):
        return [_refuse(finding, "a signature that holds, or stands in, something else") for finding in findings]
    return [_require_all(finding, documents) for finding in findings]


def _signs_files_alone(content: bytes) -> bool:
    """Whether signatures stand there and nothing else, in or around them, that could be taken for a file signed."""
    root = parse_xml(content)
    held = [each for parent in root.iterfind(f"{ds('Signature')}/{ds('Object')}") for each in parent]
    is_plain = root.tag == ROOT and all(each.tag == ds("Signature") for each in root)
    return is_plain and all(map(is_of_xades, held)) and not any(map(hides_content, root))


def _refuse(finding: Finding, hint: str) -> Finding:
    found = replace(finding, format=Format.ASIC_E)
    return found if found.reason is not None else replace(found, reason=Reason.NOT_COVERED, hint=hint)


def _require_all(finding: Finding, documents: Mapping[str, bytes]) -> Finding:
    names = tuple(map(unquote, finding.names))
    found = replace(finding, format=Format.ASIC_E, names=names)
    if found.reason is not None:
        return found
    if finding.format is not Format.XADES:
        return replace(found, reason=Reason.MALFORMED, level=None, hint="a signature in a container is XAdES")
    missing = documents.keys() - set(names)
    return _refuse(found, f"{min(missing)[:100]!r} is not signed") if missing else found
