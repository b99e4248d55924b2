"""One reading of what names a signature policy, whatever the format."""

from __future__ import annotations

import re

import pytest
from asn1crypto.core import ObjectIdentifier

from agent.signing import cms, jades, xades
from agent.signing.errors import TermsRefusedError
from agent.signing.policies import REFUSAL, read_oid, read_uri
from agent.signing.preparation import Kind, Outside, Policy, SignatureTerms
from agent.signing.words import Format, Level, Packaging

UUID = f"2.25.{2**128 - 1}"

OIDS = ("1.2", "0.39", "1.39.0", "2.0", "2.40.1", "2.999", UUID, "1.2" + ".3" * 100)
URIS = ("https://example.org/policy?a=b#c", "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
NEITHER = (
    "", "1", "1.", "1.2.", ".1.2", "3.1", "0.40", "1.40.1", "1.02", "2.01", "1.2.-3", "1.2 ", "1.2\n", "1.2.٣", f"{UUID}0",
    "urn:oid:", "urn:oid:1", "urn:oid:3.1", "urn:oid:1.02", "URN:OID:1.02", "urn:oid:urn:oid:1.2",
    "policy", "https:", "../policy", "1.2:x y", 'urn:a"b', "https://example.org/a b",
)  # fmt: skip


@pytest.mark.parametrize("oid", OIDS)
def test_an_oid_is_taken_plain_or_as_a_urn_and_der_has_it(oid: str) -> None:
    for identifier in (oid, f"urn:oid:{oid}"):
        policy = Policy(identifier, bytes(32))
        assert (read_oid(policy), read_uri(policy)) == (oid, f"urn:oid:{oid}")
    assert ObjectIdentifier.load(ObjectIdentifier(oid).dump()).dotted == oid


@pytest.mark.parametrize("uri", URIS)
def test_another_uri_stays_as_it_is_and_is_no_oid(uri: str) -> None:
    policy = Policy(uri, bytes(32))
    assert read_uri(policy) == uri
    with pytest.raises(TermsRefusedError, match=re.escape(REFUSAL)):
        read_oid(policy)


@pytest.mark.parametrize("identifier", NEITHER)
@pytest.mark.parametrize(("kind", "name"), [(cms, Format.CADES), (xades, Format.XADES), (jades, Format.JADES)])
def test_every_format_refuses_the_rest_before_anybody_is_asked(kind: Kind, name: Format, identifier: str) -> None:
    terms = SignatureTerms(name, Level.B, Packaging.DETACHED, policy=Policy(identifier, bytes(32)))
    with pytest.raises(TermsRefusedError, match=re.escape(REFUSAL)):
        kind.check([], terms, Outside())
