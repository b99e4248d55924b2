"""No byte of these documents can be turned without our own reader noticing, but within the signer's certificate.

Of a message the assertion alone is signed, as these services have it; the certificate's bytes are the judge's to refuse.
"""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace
from support.signing_keys import SigningKey
from test_assertions import ENVELOPE, INSI, VIHF
from test_assertions import sign as assert_
from test_submission import sign as sign_submission

from agent.signing.dmp.terms import InsiTerms
from agent.signing.dmp.words import Hash
from agent.signing.verification.findings import UnreadableError
from agent.signing.verification.xml import read_signatures

CERTIFICATE = (b"<X509Certificate>", b"</X509Certificate>")
BARE = InsiTerms(Hash.SHA256, "899700002712")
COUNT = 250


def is_taken(content: bytes) -> bool:
    try:
        return any(found.reason is None for found in read_signatures(content, None))
    except UnreadableError:
        return False


def make(key: SigningKey, name: str) -> bytes:
    terms = {"vihf": VIHF, "insi": INSI, "insi-bare": BARE, "message": replace(VIHF, envelope=ENVELOPE)}
    return assert_(key, terms[name]) if name in terms else sign_submission(key)


@pytest.mark.parametrize("name", ["vihf", "insi", "insi-bare", "submission", "message"])
def test_a_turned_bit_is_noticed(key: SigningKey, name: str) -> None:
    signed = make(key, name)
    assert is_taken(signed)
    start, end = (signed.index(mark) for mark in CERTIFICATE)
    first, last = (signed.index(mark) for mark in (b"<saml2:A", b"</wsse:")) if name == "message" else (0, len(signed))
    positions = [at for at in range(first, last) if not start + len(CERTIFICATE[0]) <= at < end]
    choose = random.Random(name)
    for position in choose.sample(positions, COUNT):
        altered = bytearray(signed)
        altered[position] ^= 1 << choose.randrange(8)
        if altered != signed:
            assert not is_taken(bytes(altered)), (position, signed[max(0, position - 30) : position + 10])


@pytest.mark.parametrize("name", ["vihf", "submission"])
def test_a_document_that_is_cut_short_or_goes_on_is_noticed(key: SigningKey, name: str) -> None:
    signed = make(key, name)
    for length in random.Random(5).sample(range(len(signed)), 60):
        assert not is_taken(signed[:length])
    for tail in (b"<x/>", b"x", signed):
        assert not is_taken(signed + tail)
