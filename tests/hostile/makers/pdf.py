"""PDF files: additions after signing, byte ranges that leave something out, damaged and endless structures."""

from __future__ import annotations

import re

from support.pdf import add_update, pages, stream, write_pdf

from agent.signing.words import Format
from hostile.makers import Made, Making, sign, truncated
from hostile.pki import Pki


def make(pki: Pki) -> Making:
    honest = sign(pki.signer, Format.PADES, write_pdf(pages()))
    yield Made("honest.pdf", honest, "valid", "an honest signed PDF")
    yield from truncated("honest.pdf", honest, "refused")
    shadow = add_update(honest, {3: stream(b"BT /F1 24 Tf 72 700 Td (Poison) Tj ET")}, b"/Root 1 0 R")
    yield Made("shadow.pdf", shadow, "refused", "the text exchanged by an addition")
    altered = honest.replace(b"(Ordonnance)", b"(Empoisonne)")
    yield Made("altered.pdf", altered, "refused", "the text altered within what is signed")
    yield Made("tail.pdf", honest + b"\n(99 comprimes)\n%%EOF\n", "refused", "bytes after the end")
    ranges = re.search(rb"/ByteRange ?\[[^\]]*\]", honest)
    assert ranges
    for name, text in {
        "empty": b"[]",
        "zero": b"[0 0 0 0]",
        "one": b"[0 10]",
        "minus": b"[0 -1 10 10]",
        "huge": b"[0 99999999999 0 9]",
    }.items():
        lie = (b"/ByteRange " + text).ljust(len(ranges[0]))[: len(ranges[0])]
        yield Made(f"range-{name}.pdf", honest.replace(ranges[0], lie), "refused", f"a ByteRange of {text.decode()}")
    stranger = sign(pki.stranger, Format.PADES, write_pdf(pages()))
    yield Made("stranger.pdf", stranger, "issuer-unknown", "a PDF of a stranger")
    loop = write_pdf({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Count 9 /Kids [2 0 R] >>"})
    yield Made("loop.pdf", loop, "no-signature|unreadable", "a tree of pages that is its own branch")
    chain = write_pdf(pages(), b"/Root 1 0 R /Prev 9")
    yield Made("prev.pdf", chain, "no-signature|unreadable", "a chain of tables that leads into the file's head")
    yield Made("plain.pdf", write_pdf(pages()), "no-signature", "a PDF without a signature")
    yield Made("header.pdf", b"%PDF-1.7\n", "no-signature|unreadable", "nothing but a header")
    yield Made(
        "nested.pdf.json",
        b'[["%PDF-1.7\\n1 0 obj\\n", 1], ["[", 200000]]',
        "no-signature|unreadable",
        "200 000 open arrays",
        "recipe",
    )
