"""XML is read in one safe way, and its canonical form is the standard's."""

from __future__ import annotations

import time

import pytest
from lxml import etree

from agent.signing.errors import DocumentRefusedError
from agent.signing.xml import (
    MAX_ATTRIBUTES,
    MAX_BYTES,
    MAX_DEPTH,
    C14n,
    canonicalise,
    canonicalise_document,
    find_by_id,
    parse_xml,
    serialise,
)

LAUGHS = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>'
INCLUDE = '<a xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="file:///etc/passwd" parse="text"/></a>'

HOSTILE = {
    "nothing": b"",
    "no-xml": b"%PDF-1.7",
    "json": b'{"a": 1}',
    "nul": b"<a>\0</a>",
    "truncated": b"<a><b></b>",
    "two-roots": b"<a/><b/>",
    "text-after": b"<a/>b",
    "prefix-unknown": b"<x:a/>",
    "attribute-twice": b'<a b="1" b="2"/>',
    "attribute-twice-by-namespace": b'<a xmlns:p="urn:1" xmlns:q="urn:1" p:b="1" q:b="2"/>',
    "doctype": b"<!DOCTYPE a><a/>",
    "doctype-after-comments": b"<?xml version='1.0'?><!-- <a> --><?p <!DOCTYPE?>\n\n<!DOCTYPE a><a/>",
    "doctype-after-bom": b"\xef\xbb\xbf<!DOCTYPE a><a/>",
    "doctype-external": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
    "doctype-in-capitals-only": b"<!doctype a><a/>",
    "entity": b'<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><a>&f;</a>',
    "entity-parameter": b'<!DOCTYPE a [<!ENTITY % f SYSTEM "file:///etc/passwd"> %f;]><a/>',
    "entity-undeclared": b"<a>&eacute;</a>",
    "laughs": LAUGHS.encode(),
    "laughs-in-utf-16": LAUGHS.encode("utf-16"),
    "laughs-in-utf-16-without-mark": LAUGHS.encode("utf-16-le"),
    "laughs-in-utf-7": b"<?xml version='1.0' encoding='UTF-7'?>+ADwAIQ-DOCTYPE a [+ADwAIQ-ENTITY b 'ha'+AD4]+AD4<a>&b;</a>",
    "laughs-in-ebcdic": ("<?xml version='1.0' encoding='cp500'?>" + LAUGHS).encode("cp500"),
    "utf-32": "<a/>".encode("utf-32"),
    "latin-1-as-utf-8": "<a>é</a>".encode("latin-1"),
    "encoding-unknown": b"<?xml version='1.0' encoding='x-none'?><a/>",
    "encoding-of-another-width": b"<?xml version='1.0' encoding='utf-16'?><a/>",
    "version-1.1": b"<?xml version='1.1'?><a>&#1;</a>",
    "include": INCLUDE.encode(),
    "include-of-2003": INCLUDE.replace("2001", "2003").encode(),
    "id-twice": b'<a><b Id="x"/><c Id="x"/></a>',
    "id-twice-by-other-names": b'<a><b ID="x"/><c xml:id="x"/></a>',
    "namespace-with-ampersand": b'<a><b:c xmlns:b ="urn:b?c&#38;d"/></a>',
    "default-namespace-with-ampersand": b"<a xmlns='urn:b?c&amp;d'/>",
    "deep": b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
    "bottomless": b"<a>" * 2_000_000,
    "wide": b"<a " + b" ".join(b'b%d="1"' % n for n in range(MAX_ATTRIBUTES + 1)) + b"/>",
    "endless-attributes": b"<a " + b" ".join(b'b%d="1"' % n for n in range(1_000_000)) + b"/>",
    "endless-prefixes": b"<a " + b" ".join(b'xmlns:p%d="urn:%d"' % (n, n) for n in range(100_000)) + b"/>",
    "endless-elements": b"<a>" + b"<b/>" * 1_500_000 + b"</a>",
    "endless-comment": b"<!--" + b"- " * 5_000_000,
    "endless-prolog": b"<?p?>" * 1_500_000 + b"<a/>",
    "long-text": b"<a>" + b"b" * 10_000_001 + b"</a>",
    "too-much": b"<a>" + b"<b>ccccccccccccccccccccccc</b>" * (MAX_BYTES // 29) + b"</a>",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_xml_is_refused_by_the_name_of_its_document_and_soon(content: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(DocumentRefusedError) as refused:
        parse_xml(content, "a.xml")
    assert refused.value.document == "a.xml"
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    "content",
    [
        b"<a/>",
        b"\xef\xbb\xbf<a>\xc3\xa9</a>",
        "<?xml version='1.0' encoding='ISO-8859-15'?>\n<a>€ é</a>".encode("iso-8859-15"),
        b"<?xml-stylesheet type='text/xsl' href='cda.xsl'?><!-- <!DOCTYPE a> --><a><![CDATA[<!DOCTYPE html>]]></a><?z?>",
        b'<a><b id="1"/><c id="1"/></a>',  # FHIR: unique within a resource, not within a bundle
        b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH,
        b"<a>" + b"b" * 9_999_999 + b"</a>",
    ],
)
def test_honest_xml_is_read_and_written_without_loss(content: bytes) -> None:
    root = parse_xml(content)
    again = parse_xml(serialise(root))
    assert canonicalise_document(again, C14n.INCLUSIVE_WITH_COMMENTS) == canonicalise_document(
        root, C14n.INCLUSIVE_WITH_COMMENTS
    )


def test_an_id_is_found_where_it_stands_once() -> None:
    root = parse_xml(b'<a><b id="x"/><c ID="y"/><d id="z"/><e id="z"/></a>')
    assert find_by_id(root, "x").tag == "b"
    assert find_by_id(root, "y").tag == "c"
    for value in ("z", "none", "' or '1'='1"):
        with pytest.raises(DocumentRefusedError):
            find_by_id(root, value)


def test_inclusive_form_of_an_element_undoes_no_namespace_that_nobody_declared() -> None:
    root = parse_xml(b'<a xmlns="urn:x">t<b><c><d/></c></b> tail</a>')
    assert etree.tostring(root[0], method="c14n") != canonicalise(root[0], C14n.INCLUSIVE), "lxml is mended: say so"
    assert canonicalise(root[0], C14n.INCLUSIVE) == b'<b xmlns="urn:x"><c><d></d></c></b>'
    assert canonicalise(root, C14n.INCLUSIVE) == b'<a xmlns="urn:x">t<b><c><d></d></c></b> tail</a>'


def test_inclusive_form_shows_what_ancestors_declare_and_exclusive_form_what_is_used() -> None:
    root = parse_xml(
        b'<a xmlns:u="urn:u" xmlns:v="urn:u" xml:lang="fr" xml:space="preserve">'
        b'<b xmlns="urn:x" xml:lang="en"><!--c--><v:c z="1" a="2" xmlns:w="urn:u"/><d xmlns="">\r\n&#13;</d></b></a>'
    )
    used = b'<v:c xmlns:v="urn:u" a="2" z="1"></v:c><d xmlns="">\n&#xD;</d></b>'
    assert canonicalise(root[0], C14n.INCLUSIVE) == (
        b'<b xmlns="urn:x" xmlns:u="urn:u" xmlns:v="urn:u" xml:lang="en" xml:space="preserve">'
        b'<v:c xmlns:w="urn:u" a="2" z="1"></v:c><d xmlns="">\n&#xD;</d></b>'
    )
    assert canonicalise(root[0], C14n.EXCLUSIVE).endswith(used)
    assert canonicalise(root[0], C14n.EXCLUSIVE_WITH_COMMENTS).endswith(b"<!--c-->" + used)
    assert b'xmlns:u="urn:u"' in canonicalise(root[0], C14n.EXCLUSIVE, ["u"])


def test_exclusive_form_takes_no_language_from_an_ancestor() -> None:
    root = parse_xml(b'<a xml:lang="fr" xml:base="http://a/"><b><c xml:lang="en"/></b></a>')
    assert canonicalise(root[0], C14n.EXCLUSIVE) == b'<b><c xml:lang="en"></c></b>'
    assert canonicalise(root[0], C14n.INCLUSIVE) == b'<b xml:base="http://a/" xml:lang="fr"><c xml:lang="en"></c></b>'


def test_the_form_of_a_document_has_the_instructions_beside_the_root_and_that_of_its_root_has_not() -> None:
    root = parse_xml(b'<?xml-stylesheet href="a.xsl"?><!--b--><a/><?c?>')
    assert canonicalise_document(root, C14n.EXCLUSIVE) == b'<?xml-stylesheet href="a.xsl"?>\n<a></a>\n<?c?>'
    assert canonicalise(root, C14n.EXCLUSIVE_WITH_COMMENTS) == b"<a></a>"


def test_a_document_without_canonical_form_is_refused() -> None:
    root = parse_xml(b'<a xmlns="relative"/>')
    with pytest.raises(DocumentRefusedError):
        canonicalise_document(root, C14n.EXCLUSIVE)
