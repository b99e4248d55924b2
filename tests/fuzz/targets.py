"""What is fuzzed: for each target a function that takes any bytes, and bytes to begin with.

A function returns, whatever it is given. The parsers' own error, CardUnknownError, is an answer like another; any other
exception is a fault, and so is a property that does not hold.
"""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta, timezone

from agent.certificates.damage import is_damaged
from agent.certificates.holder import read_holder
from agent.certificates.issuers import is_self_issued, may_have_issued, may_issue
from agent.signing.signeddata import SignatureFaultError
from agent.signing.tokens import read_stamp
from agent.signing.verification import cms
from agent.signing.verification.findings import UnreadableError
from agent.signing.verification.jose import read_signatures
from drivers.card import activity, atr, pkcs15
from drivers.card.certificate import Certificate, parse_certificate
from drivers.card.extensions import (
    read_authority,
    read_authority_key_id,
    read_key_usage,
    read_purposes,
    read_subject_key_id,
)
from drivers.card.issuing import is_issued
from drivers.card.signatures import certificate_role, is_authority
from drivers.card.tlv import encode_tlv, find_tlv, read_tlvs
from drivers.errors import CardUnknownError, DriverError
from drivers.pin import Passphrase
from drivers.software.certificates import read_key_certificate
from drivers.software.derivation import Budget
from drivers.software.importing import read_key_files
from fuzz import seeds
from fuzz.corpus import MAX_FILES
from fuzz.door import door, run_door
from fuzz.soap import messages, run_soap

ZONES = [timezone(timedelta(hours=hours)) for hours in (-12, 14)]
EXTENSIONS = (read_authority, read_authority_key_id, read_key_usage, read_purposes, read_subject_key_id)
DIRECTORIES = (
    pkcs15.parse_dir, pkcs15.parse_odf, pkcs15.parse_token_info, pkcs15.parse_pins, pkcs15.parse_private_keys,
    pkcs15.parse_certificates, pkcs15.parse_data_objects,
)  # fmt: skip


MAX_SECONDS = 1
"""Of computing, for one input: a machine that is busy with something else is not counted."""


class TooSlowError(AssertionError):
    """An input took longer than any may."""


@dataclass(frozen=True)
class Target:
    """`run` takes what is fuzzed; `seeds` gives genuine or made examples; `nested`: they are data objects in others;
    `at_most`: how many inputs are kept."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    nested: bool = True
    at_most: int = MAX_FILES

    def check(self, data: bytes) -> None:
        """Take an input. Raises whatever is wrong with how it is taken."""
        start = time.process_time()
        self.run(data)
        taken = time.process_time() - start
        if taken > MAX_SECONDS:
            raise TooSlowError(f"{taken:.1f} s of computing for {len(data)} bytes")


def run_atr(data: bytes) -> None:
    family = atr.identify_atr(data)
    assert atr.generation_of(data) in ("", family)
    assert str(atr.not_cps(data))


def run_tlv(data: bytes) -> None:
    with contextlib.suppress(CardUnknownError):
        for item in read_tlvs(data):
            assert list(read_tlvs(encode_tlv(item.tag, item.value))) == [item]
            with contextlib.suppress(CardUnknownError):
                find_tlv(item.value, 0x30, 0x30, 0x04)


def run_pkcs15(data: bytes) -> None:
    for parse in DIRECTORIES:
        with contextlib.suppress(CardUnknownError):
            repr(parse(data))


def run_certificate(data: bytes) -> None:
    for look in (certificate_role, is_authority):
        with contextlib.suppress(CardUnknownError):
            look(data)
    with contextlib.suppress(CardUnknownError):
        _look_at(parse_certificate(data))


def _look_at(certificate: Certificate) -> None:
    assert certificate.tbs_der in certificate.der
    for read in EXTENSIONS:
        with contextlib.suppress(CardUnknownError):
            read(certificate)
    for name in (certificate.subject, certificate.issuer):
        name.rfc4514().encode()
        assert name.matches(name)
    for moment in (certificate.not_before, certificate.not_after):
        assert all(moment.astimezone(zone) == moment for zone in ZONES)
    assert is_issued(certificate, certificate) <= certificate.subject.matches(certificate.issuer)
    is_damaged(certificate.der, [certificate])
    assert may_have_issued(certificate, certificate) <= is_self_issued(certificate)
    may_issue(certificate, 0, certificate.not_before)
    holder = read_holder(certificate)
    holder.display_name.encode()
    if holder.identifier is not None:
        assert (holder.national_id or "").endswith(holder.identifier.value)
    if holder.structure is not None and holder.structure.identifier is not None:
        assert (holder.structure.id or "").endswith(holder.structure.identifier.value)


def run_activity(data: bytes) -> None:
    for found in activity.parse_activities([("CPS_ACTIVITY_01_PS", data), ("CPS_ACTIVITY_16_PS", data[1:])]):
        assert all(
            text is None or text.strip() == text != "" for text in (found.name, found.structure_id, found.sector)
        )
    code = activity.parse_speciality(data)
    assert code is None or len(code) == activity.SPECIALITY_LENGTH


def run_key_file(data: bytes) -> None:
    """PKCS#12, PEM and all the others: what is counted in rounds is bounded, or changed bytes ask for minutes."""
    with contextlib.suppress(DriverError), Passphrase(bytearray(seeds.WORDS)) as words:
        with read_key_files([data], words, Budget(2000)) as imported:
            for item in imported.items:
                assert item.key.public_der() == read_key_certificate(item.certificate_der).public_key_der
        assert not any(any(item.key.pkcs8) for item in imported.items)


def run_jose(data: bytes) -> None:
    """A JWS, and the protected header of one: no key has signed it."""
    header = base64.urlsafe_b64encode(data).rstrip(b"=") + b".." + b"A" * 342
    for content, detached in ((data, None), (data, b"x"), (header, b"x")):
        with contextlib.suppress(UnreadableError):
            for finding in read_signatures(content, detached):
                assert finding.reason is not None or content is data
                assert finding.reason is None or (finding.level is None and finding.hint.encode())
                "".join(finding.names).encode()


def run_cms(data: bytes) -> None:
    """A CMS signature, around a document or beside one, and a time-stamp token."""
    for detached in (None, b"x"):
        with contextlib.suppress(UnreadableError):
            for finding in cms.read_signatures(data, detached):
                assert finding.reason is not None or finding.certificate_der
                assert finding.reason is None or (finding.level is None and finding.hint.encode())
    with contextlib.suppress(SignatureFaultError):
        read_stamp(data, b"x")


TARGETS = {
    "atr": Target(run_atr, seeds.atrs, nested=False),
    "tlv": Target(run_tlv, seeds.files),
    "pkcs15": Target(run_pkcs15, seeds.files),
    "certificate": Target(run_certificate, seeds.certificates),
    "activity": Target(run_activity, seeds.activities),
    "door": Target(run_door, door, nested=False),
    "cms": Target(run_cms, seeds.signatures_in_cms, nested=False, at_most=48),
    "jose": Target(run_jose, seeds.signatures_in_json, nested=False, at_most=48),
    "soap": Target(run_soap, messages, nested=False, at_most=48),
    "key-file": Target(run_key_file, seeds.key_files, at_most=48),
}
