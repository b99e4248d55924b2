"""Time-stamps of a served authority, checked by us and by `openssl ts`; answers that are refused, each with its why."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import tsp, x509
from msgspec.structs import replace
from pyhanko.sign.general import as_signing_certificate_v2
from support.openssl import openssl
from support.stamping import attribute, forge, serving, stamper, stamping

from agent.signing import timestamps
from agent.signing.errors import TimeStampError, TimeStampUnsetError
from agent.signing.preparation import Outside
from agent.signing.signeddata import SignatureFaultError
from agent.signing.synchronous import run
from agent.signing.timestamps import PyHankoTimeStamper, TimeStamps
from agent.signing.tokens import read_stamp

CONTENT = b"a value of 256 bytes" * 13


def test_a_time_stamp_is_one_for_openssl(pki, outside, tmp_path):
    token = TimeStamps(outside).stamp(CONTENT)
    stamp = read_stamp(token, CONTENT)
    assert abs(stamp.time - datetime.now(UTC)) < timedelta(minutes=1)
    assert stamp.certificate_der == pki.der("tsa")
    assert stamp.certificates_der == (pki.der("issuing"),)
    (tmp_path / "token").write_bytes(token)
    (tmp_path / "content").write_bytes(CONTENT)
    verify = ["ts", "-verify", "-token_in", "-in", "token", "-data", "content", "-CAfile", str(pki.root)]
    openssl(tmp_path, *verify, "-untrusted", str(pki.folder / "issuing.pem"))


def test_a_time_stamp_of_openssl_is_read(pki, outside, tmp_path):
    """With SHA-512 and signing-certificate-v2, as other authorities write them."""
    (tmp_path / "tsa.cnf").write_text(
        "[tsa]\ndefault_tsa = t\n[t]\nserial = serial\nsigner_digest = sha512\ndefault_policy = 1.2.3\n"
        "digests = sha512\ness_cert_id_alg = sha256\nordering = yes\naccuracy = secs:1\n"
    )
    (tmp_path / "content").write_bytes(CONTENT)
    openssl(tmp_path, "ts", "-query", "-data", "content", "-sha512", "-cert", "-out", "request")
    signer = ["-signer", str(pki.folder / "tsa.pem"), "-inkey", str(pki.folder / "keys" / "responder.pem")]
    made = ["ts", "-reply", "-config", "tsa.cnf", "-section", "t", "-queryfile", "request", *signer]
    openssl(tmp_path, *made, "-token_out", "-out", "token")
    assert read_stamp((tmp_path / "token").read_bytes(), CONTENT).certificate_der == pki.der("tsa")


def test_pyhanko_takes_it(outside):
    stamper = PyHankoTimeStamper(TimeStamps(outside))
    content = run(stamper.async_timestamp(timestamps.imprint_of(CONTENT)("sha256"), "sha256")).dump()
    read_stamp(content, CONTENT)
    with pytest.raises(TimeStampError, match="sha256 alone"):
        run(stamper.async_timestamp(bytes(20), "sha1"))


def test_nobody_is_asked_where_nobody_is_named():
    with pytest.raises(TimeStampUnsetError):
        TimeStamps(Outside())


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("late", "not vouched for"),
        ("stray", "not vouched for"),
        ("plain", "no time-stamp authority"),
        ("lenient", "no time-stamp authority"),
        ("busy", "no time-stamp authority"),
    ],
)
def test_attack_an_authority_that_may_not_stamp(pki, outside, label, why):
    with pytest.raises(TimeStampError, match=why):
        TimeStamps(replace(outside, timestamp_url=pki.url(f"tsa/{label}"))).stamp(CONTENT)


def test_an_authority_that_nobody_vouches_for(outside):
    with pytest.raises(TimeStampError, match="not vouched for"):
        TimeStamps(replace(outside, timestamp_authorities_der=())).stamp(CONTENT)


@pytest.mark.parametrize(
    ("mood", "why"),
    [
        ("redirect", "HTTP status 302"),
        ("failing", "HTTP status 503"),
        ("huge", "more than"),
        ("nonsense", "cannot be read"),
        ("hang", "did not answer"),
        ("drip", "did not answer"),
    ],
)
def test_attack_an_authority_that_misbehaves(pki, outside, monkeypatch, mood, why):
    if mood in ("hang", "drip"):
        monkeypatch.setattr(timestamps, "FETCH_S", 0.5)
    with pki.mood("tsa/tsa", mood), pytest.raises(TimeStampError, match=why):
        TimeStamps(outside).stamp(CONTENT)


def other_imprint(request):
    request["message_imprint"]["hashed_message"] = bytes(32)


def weak_imprint(request):
    request["message_imprint"] = {"hash_algorithm": {"algorithm": "sha1"}, "hashed_message": bytes(20)}


def other_nonce(request):
    request["nonce"] = request["nonce"].native ^ 1


def no_nonce(request):
    del request["nonce"]


@pytest.mark.parametrize(
    ("change", "options", "why"),
    [
        (other_imprint, {}, "over something else"),
        (weak_imprint, {}, "over sha1"),
        (other_nonce, {}, "nonce"),
        (no_nonce, {}, "nonce"),
        (lambda _: None, {"at": datetime.now(UTC) - timedelta(minutes=20)}, "apart"),
        (lambda _: None, {"at": datetime.now(UTC) + timedelta(days=1)}, "apart"),
        (lambda _: None, {"md_algorithm": "sha1"}, "sha1"),
    ],
)
def test_attack_a_time_stamp_for_another_request(pki, outside, change, options, why):
    with serving(stamping(pki, change, **options)) as url, pytest.raises(TimeStampError, match=why):
        TimeStamps(replace(outside, timestamp_url=url)).stamp(CONTENT)


def refusal(status: str, **more: object) -> bytes:
    return tsp.PKIStatusInfo({"status": status, **more}).dump()


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (refusal("rejection", fail_info={"bad_alg"}), "refused: rejection bad_alg"),
        (refusal("waiting", status_string=["later"]), "refused: waiting later"),
        (refusal("granted"), "refused: granted"),
    ],
)
def test_a_refusal_is_told(outside, status, why):
    answer = b"\x30" + bytes([len(status)]) + status
    with serving(lambda _: answer) as url, pytest.raises(TimeStampError, match=why):
        TimeStamps(replace(outside, timestamp_url=url)).stamp(CONTENT)


def critical(parts):
    parts["info"]["extensions"] = [{"extn_id": "1.2.3", "critical": True, "extn_value": b"0"}]


def of_another_certificate(pki):
    other = as_signing_certificate_v2(x509.Certificate.load(pki.der("busy-tsa")))
    return attribute("signing_certificate_v2", other)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda parts: parts["info"].update(version="v2"), "another version"),
        (critical, "critical extension"),
        (lambda parts: parts.update(attributes=[]), "does not name its certificate"),
        (lambda parts: parts.update(attributes=parts["attributes"] * 2), "more than once"),
        (lambda parts: parts.update(content_type="data"), "no time-stamp"),
        (lambda parts: parts.update(signers=2), "more signers"),
        (lambda parts: parts.update(signers=0), "more signers than one, or none"),
        (lambda parts: parts.update(certificates=[]), "certificate is not in it"),
        (lambda parts: parts["info"]["message_imprint"].update(hashed_message=bytes(31)), "something else"),
    ],
)
def test_attack_a_time_stamp_that_is_put_together_oddly(pki, change, why):
    assert read_stamp(forge(pki, CONTENT, lambda _: None), CONTENT).certificate_der == pki.der("tsa")
    with pytest.raises(SignatureFaultError, match=why):
        read_stamp(forge(pki, CONTENT, change), CONTENT)


def test_attack_a_time_stamp_that_names_another_certificate(pki):
    """Of the same key: who stamps with it where it may, does not where it may not."""
    exchanged = [of_another_certificate(pki)]
    with pytest.raises(SignatureFaultError, match="names another certificate"):
        read_stamp(forge(pki, CONTENT, lambda parts: parts.update(attributes=exchanged)), CONTENT)


def test_attack_a_time_stamp_changed_anywhere_is_none(pki):
    """A few hundred bytes, one at a time; what is not signed is the certificates beside it and their order."""
    chance, request = random.Random(27710), tsp.TimeStampReq.load(tsp.TimeStampReq(
        {"version": 1, "message_imprint": tsp.MessageImprint({
            "hash_algorithm": {"algorithm": "sha256"},
            "hashed_message": timestamps.imprint_of(CONTENT)("sha256"),
        })}
    ).dump())  # fmt: skip
    token = stamper(pki).request_tsa_response(request)["time_stamp_token"].dump()
    good = read_stamp(token, CONTENT)
    for place in chance.sample(range(len(token)), 300):
        changed = bytearray(token)
        changed[place] ^= 1 << chance.randrange(8)
        try:
            stamp = read_stamp(bytes(changed), CONTENT)
        except SignatureFaultError:
            continue
        assert (stamp.time, stamp.certificate_der) == (good.time, good.certificate_der)
