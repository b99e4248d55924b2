"""SOAP messages that are to take an assertion, MIME bodies with one, and answers that may be faults."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lxml import etree

from agent.api.mime_roots import MimeError, find_root, read_related
from agent.services.catalog import load_catalog
from agent.services.faults import MAX_CODES, explain, is_decided
from agent.signing.dmp.messages import Message
from agent.signing.documents import Document
from agent.signing.errors import EnvelopeRefusedError
from agent.signing.xml_names import SECURITY, SOAP

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
ASSERTION = etree.fromstring(f'<Assertion xmlns="{SAML}" ID="_a">é</Assertion>')
RELATED = [read_related(f"multipart/related; boundary=b{start}") for start in ("", "; start=r")]
SERVICES = [service for service in load_catalog().services.values() if service.assertion]
ENVELOPE = f'<s:Envelope xmlns:s="{SOAP}" xmlns:w="{SECURITY}"><s:Header>%s</s:Header><s:Body>%s</s:Body></s:Envelope>'


def messages() -> Iterator[bytes]:
    yield f'<Envelope xmlns="{SOAP}"><Body/></Envelope>'.encode()
    yield f'<?xml version="1.0" encoding="iso-8859-1"?><Envelope xmlns="{SOAP}"><Header/><Body/></Envelope>'.encode()
    for header in ("<w:Security/>", "<!--<w:Security>--><w:Security a='/>'>t</w:Security>", "<?p?><a/>"):
        yield (ENVELOPE % (header, "é")).encode()
    for fault in ("s:DMPInvalidCertificate siram_100 desir_560 desir_1", "PS et Structure non liés"):
        yield (ENVELOPE % ("", f"<s:Fault>{fault}</s:Fault>")).encode()
    yield b"--b\r\nContent-ID: <r>\r\nContent-Length: 4\r\n\r\n<a/>\r\n--b--"
    yield b"p\r\n--b \r\n\r\n\r\n--b\r\ncontent-id: r\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<a/>\r\n--b\r\n"


def run_soap(data: bytes) -> None:
    """Whatever is taken is what it was with one thing more, and whatever is refused is refused at once."""
    with contextlib.suppress(EnvelopeRefusedError):
        message = Message(Document.of("a", data, "application/soap+xml"))
        assert f'<Assertion xmlns="{SAML}" ID="_a">&#233;</Assertion>'.encode() in message.put(ASSERTION)
    for related in RELATED:
        with contextlib.suppress(MimeError):
            root = find_root(data, related, is_all=False)
            if root is not None:
                before, after = root.replace(data, data[root.body_start : root.body_end])
                assert data.startswith(before[: root.headers_start])
                assert data.endswith(after)
    is_decided(data)
    for service in SERVICES:
        told = explain(data, service)
        assert told is None or (len(told.codes) <= MAX_CODES and all(map(str.isascii, told.codes)))
