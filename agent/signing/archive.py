"""Archive time-stamps over CMS signatures: archive-time-stamp-v3 and its ats-hash-index-v3 (ETSI EN 319 122-1 §5.5).

The time-stamp is over the content's hash, the signer's own fields, and an index: the hash of each certificate, of each
CRL or OCSP response, and of each value of an unsigned attribute. What is added later is in no index, and changes none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from asn1crypto import algos, cms, core
from pyhanko.sign.ades.asn1_util import register_cms_attribute

from agent.signing.signeddata import (
    HASHES,
    Imprint,
    SignatureFaultError,
    any_bytes,
    find_attribute,
    load_signed_data,
    read_as_it_stands,
)
from agent.signing.verification.findings import Reason

ARCHIVE: Final = "archive_time_stamp_v3"
INDEX: Final = "ats_hash_index_v3"
FIELDS: Final = ("version", "sid", "digest_algorithm", "signed_attrs", "signature_algorithm", "signature")


class Hashes(core.SequenceOf):  # type: ignore[misc]
    """SEQUENCE OF OCTET STRING."""

    _child_spec = core.OctetString


class HashIndex(core.Sequence):  # type: ignore[misc]
    """ATSHashIndexV3 (§5.5.2)."""

    _fields: ClassVar = [
        ("hash_algorithm", algos.DigestAlgorithm),
        ("certificates", Hashes),
        ("crls", Hashes),
        ("unsigned_values", Hashes),
    ]


register_cms_attribute("0.4.0.1733.2.4", ARCHIVE, cms.ContentInfo)
register_cms_attribute("0.4.0.19122.1.5", INDEX, HashIndex)


def write_index(data: cms.SignedData, signer: cms.SignerInfo, hash_name: str) -> bytes:
    """DER of the index of what is there now. Both were parsed, not built."""
    certificates, crls, values = (_hash_all(part, hash_name) for part in _list_parts(data, signer))
    index = HashIndex(
        {
            "hash_algorithm": {"algorithm": hash_name},
            "certificates": Hashes(certificates),
            "crls": Hashes(crls),
            "unsigned_values": Hashes(values),
        }
    )
    content: bytes = index.dump()
    return content


def write_imprint_input(data: cms.SignedData, signer: cms.SignerInfo, content_digest: bytes, index_der: bytes) -> bytes:
    """The octets that an archive time-stamp is over (§5.5.3)."""
    content_type = read_as_it_stands(data["encap_content_info"]["content_type"])
    return b"".join([content_type, content_digest, *(read_as_it_stands(signer[name]) for name in FIELDS), index_der])


def put_index(token_der: bytes, index_der: bytes) -> cms.ContentInfo:
    """The token with the index among its own unsigned attributes."""
    token = cms.ContentInfo.load(token_der)
    (signer,) = token["content"]["signer_infos"]
    others = [each for each in signer["unsigned_attrs"] or () if each["type"].native != INDEX]
    index = cms.CMSAttribute({"type": INDEX, "values": [HashIndex.load(index_der)]})
    signer["unsigned_attrs"] = cms.CMSAttributes([*others, index])
    return token


def find_archived_input(token_der: bytes, data: cms.SignedData, signer: cms.SignerInfo, content: Imprint) -> bytes:
    """The octets that a token found in a signature has to be over. Raises SignatureFaultError.

    Each hash of its index must be that of something that is still there.
    """
    token = load_signed_data(token_der)
    with any_bytes():
        (own,) = token["signer_infos"]
        index = find_attribute(own["unsigned_attrs"], INDEX)
        if index is None:
            raise SignatureFaultError(Reason.MALFORMED, "an archive time-stamp without its hash index")
        name = index["hash_algorithm"]["algorithm"].native
        if name not in HASHES:
            raise SignatureFaultError(Reason.ALGORITHM_REFUSED, f"a hash index with {name}")
        for field, part in zip(("certificates", "crls", "unsigned_values"), _list_parts(data, signer), strict=True):
            there = set(_hash_all(part, name))
            if not {each.native for each in index[field]} <= there:
                raise SignatureFaultError(Reason.ALTERED, f"some of the {field} of an archive time-stamp are gone")
        return write_imprint_input(data, signer, content(_read_imprint_hash(token)), read_as_it_stands(index))


def _read_imprint_hash(token: cms.SignedData) -> str:
    name: str = token["encap_content_info"]["content"].parsed["message_imprint"]["hash_algorithm"]["algorithm"].native
    return name


def _list_parts(data: cms.SignedData, signer: cms.SignerInfo) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Certificates, revocation values, and unsigned attribute values each behind its type."""
    values = [each["type"].dump() + value.dump() for each in signer["unsigned_attrs"] or () for value in each["values"]]
    return _dump_all(data["certificates"]), _dump_all(data["crls"]), values


def _dump_all(parts: Iterable[Any] | None) -> list[bytes]:
    return [each.dump() for each in parts or ()]


def _hash_all(parts: Iterable[bytes], hash_name: str) -> list[bytes]:
    return [hashlib.new(hash_name, part).digest() for part in parts]
