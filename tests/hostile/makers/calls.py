"""Bodies of calls: the route on the first line, then what is sent there as JSON."""

from __future__ import annotations

import json

from hostile.makers import Made, Making
from hostile.pki import Pki

VERIFY, SIGN = "/v1/verifications", "/v1/signatures"
ONE = {"name": "a", "content": "AAAA"}


def make(pki: Pki) -> Making:
    del pki
    bad = "bad-request"
    yield _call("empty", VERIFY, b"", bad, "no body")
    yield _call("array", VERIFY, b"[]", bad, "an array where an object is expected")
    yield _call("deep", VERIFY, b"[" * 50_000, bad, "JSON of 50 000 levels")
    yield _call("utf8", VERIFY, b'{"documents": [{"name": "\xff\xfe", "content": ""}]}', bad, "a name that is no UTF-8")
    yield _call("base64", VERIFY, json.dumps({"documents": [ONE | {"content": "@@@"}]}).encode(), bad, "no base64")
    yield _call("many", VERIFY, json.dumps({"documents": [ONE] * 51}).encode(), bad, "51 documents")
    yield _call("pin", VERIFY, json.dumps({"documents": [ONE], "pin": "1234"}).encode(), bad, "a code in a call")
    yield _call("anchor", VERIFY, json.dumps({"documents": [ONE], "anchors": ["AAAA"]}).encode(), bad, "no anchor")
    terms = {"format": "xades", "documents": [{"name": "a", "content": "PCFET0NUWVBFIGE+PGEvPg=="}]}
    yield _call("sign-dtd", SIGN, json.dumps(terms).encode(), "document-refused", "a document type to be signed")
    pdf = {"format": "pades", "documents": [{"name": "a", "content": "JVBERi0xLjcK"}]}
    yield _call("sign-pdf", SIGN, json.dumps(pdf).encode(), "document-refused", "a PDF of nothing but a header")
    name = {"format": "asic-e", "documents": [{"name": "../a", "content": "AAAA"}]}
    yield _call("sign-path", SIGN, json.dumps(name).encode(), "document-refused", "a name that leaves its container")
    level = {"format": "jws", "level": "LTA", "documents": [ONE]}
    yield _call("sign-level", SIGN, json.dumps(level).encode(), bad, "a level that the format does not have")


def _call(name: str, route: str, body: bytes, expected: str, line: str) -> Made:
    return Made(f"call-{name}", route.encode() + b"\n" + body, expected, line, "call")
