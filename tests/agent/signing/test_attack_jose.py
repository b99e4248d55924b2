"""What somebody may do to a JWS that is not theirs: none of it is ever taken for valid."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.certificates import exchange
from support.jose import Verifier, b64, header_of, run_verifier, unb64
from support.signing_keys import SigningKey

from agent.signing import jades, jws
from agent.signing.documents import Document
from agent.signing.preparation import Outside, SignatureTerms
from agent.signing.verification.findings import Finding, Reason, UnreadableError
from agent.signing.verification.jose import read_signatures
from agent.signing.words import Format, Level, Packaging, Serialization

TEXT = b"1 comprim\xe9 le soir"
KINDS = {Format.JWS: jws, Format.JADES: jades}
Header = dict[str, Any]


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with run_verifier() as running:
        yield running


def made(
    key: SigningKey,
    kind: Format = Format.JWS,
    packaging: Packaging = Packaging.ENVELOPING,
    serialization: Serialization = Serialization.COMPACT,
) -> bytes:
    terms = SignatureTerms(kind, Level.B, packaging, serialization=serialization)
    prepared = KINDS[kind].prepare([Document.of("a.txt", TEXT, "text/plain")], terms, key.signer(), Outside())
    return key.complete_all(prepared)[0]


def compact(key: SigningKey, header: Header | bytes, payload: bytes = TEXT) -> bytes:
    """A signature by the right key over any header at all: what a careless or hostile signer can make."""
    encoded = b64(header if isinstance(header, bytes) else json.dumps(header).encode())
    signed = f"{encoded}.{b64(payload)}".encode()
    return signed + b"." + b64(key.sign(signed)).encode()


def judge(content: bytes, detached: bytes | None = None) -> list[Finding]:
    """Findings; what is no JWS at all has none."""
    try:
        return read_signatures(content, detached)
    except UnreadableError:
        return []


def reason(content: bytes, detached: bytes | None = None) -> Reason | None:
    (finding,) = read_signatures(content, detached)
    assert finding.reason is None or (finding.level is None and finding.hint)
    return finding.reason


def is_valid(content: bytes, detached: bytes | None = None) -> bool:
    return any(finding.reason is None for finding in judge(content, detached))


SHAPES = [
    (kind, packaging, serialization)
    for kind in KINDS
    for packaging in (Packaging.ENVELOPING, Packaging.DETACHED)
    for serialization in Serialization
]


@pytest.mark.parametrize(("kind", "packaging", "serialization"), SHAPES)
def test_no_bit_of_it_can_be_turned(
    key: SigningKey, kind: Format, packaging: Packaging, serialization: Serialization
) -> None:
    signature = made(key, kind, packaging, serialization)
    detached = TEXT if packaging is Packaging.DETACHED else None
    assert is_valid(signature, detached)
    chance = random.Random(7)
    for index in [*range(chance.randrange(9), len(signature) - 9, 9), *range(len(signature) - 9, len(signature))]:
        altered = bytearray(signature)
        altered[index] ^= 1 << chance.randrange(8)
        assert not is_valid(bytes(altered), detached), index


@pytest.mark.parametrize("serialization", Serialization)
def test_altered_copies_are_refused_by_the_other_program_too(
    key: SigningKey, verifier: Verifier, serialization: Serialization
) -> None:
    signature = made(key, serialization=serialization)
    for index in random.Random(7).sample(range(2, len(signature) - 2), 40):
        altered = signature[:index] + bytes([signature[index] ^ 1]) + signature[index + 1 :]
        assert verifier.refuses(altered), index
        assert not is_valid(altered), index


@pytest.mark.parametrize("end", range(0, 2600, 260))
def test_no_piece_of_it_is_valid(key: SigningKey, end: int) -> None:
    for serialization in Serialization:
        signature = made(key, serialization=serialization)
        assert not is_valid(signature[: min(end, len(signature) - 1)])


def test_other_spellings_of_the_same_bytes_are_refused(key: SigningKey, verifier: Verifier) -> None:
    """The last character of 256 bytes has four bits that decoders pass over."""
    signature = made(key)
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twins = [signature[:-1] + bytes([letter]) for letter in alphabet if letter != signature[-1]]
    same = [twin for twin in twins if unb64(twin.decode().split(".")[2]) == unb64(signature.decode().split(".")[2])]
    assert len(same) == 15
    assert not any(map(is_valid, twins))
    for spelling in (signature + b"==", signature + b"A", signature.replace(b".", b"..", 1), signature + b".x"):
        assert not is_valid(spelling)


def test_space_around_it_is_no_part_of_it(key: SigningKey) -> None:
    assert is_valid(made(key) + b"\r\n")


def test_no_signature_is_none(key: SigningKey) -> None:
    for algorithm in ("none", "None", "NONE", ""):
        header = header_of(made(key)) | {"alg": algorithm}
        assert reason(f"{b64(json.dumps(header).encode())}.{b64(TEXT)}.".encode()) is Reason.ALGORITHM_REFUSED


def test_the_public_key_is_no_secret(key: SigningKey) -> None:
    """HS256 with the certificate or its key as the shared secret (RFC 8725 §2.1)."""
    header = b64(json.dumps(header_of(made(key)) | {"alg": "HS256"}).encode())
    signed = f"{header}.{b64(TEXT)}".encode()
    for secret in (key.certificate_der, b"-----BEGIN CERTIFICATE-----"):
        forged = signed + b"." + b64(hmac.digest(secret, signed, "sha256")).encode()
        assert reason(forged) is Reason.ALGORITHM_REFUSED


@pytest.mark.parametrize("algorithm", ["RS1", "ES256", "EdDSA", "PS256K", None, 5, ["RS256"], {"RS256": 1}])
def test_other_algorithms_are_refused(key: SigningKey, algorithm: object) -> None:
    assert reason(compact(key, header_of(made(key)) | {"alg": algorithm})) is Reason.ALGORITHM_REFUSED


def test_a_scheme_is_not_taken_for_another(key: SigningKey) -> None:
    for other in ("PS256", "RS384", "RS512", "PS512"):
        assert reason(compact(key, header_of(made(key)) | {"alg": other})) is Reason.SIGNATURE_WRONG


def test_keys_of_the_sender_are_never_used_nor_fetched(key: SigningKey) -> None:
    """jwk, jku and x5u may say what they like: without x5c there is no key."""
    numbers = key.key.public_key().public_numbers()
    modulus = numbers.n.to_bytes(256, "big")
    jwk = {"kty": "RSA", "n": b64(modulus), "e": "AQAB"}
    header = {"alg": "RS256", "jwk": jwk, "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/", "kid": "../../x"}
    assert reason(compact(key, header)) is Reason.CERTIFICATE_ABSENT


def forge(change: Callable[[Header], Header | bytes]) -> Callable[[SigningKey], bytes]:
    return lambda key: compact(key, change(header_of(made(key, Format.JADES))))


TWICE = b'{"alg":"none","alg":"RS256","x5c":["AA=="]}'
MALFORMED: dict[str, Callable[[SigningKey], bytes]] = {
    "unknown critical": forge(lambda header: header | {"crit": ["exp"], "exp": 1}),
    "critical and absent": forge(lambda header: header | {"crit": ["sigT"]}),
    "critical twice": forge(lambda header: header | {"crit": ["srAts", "srAts"], "srAts": {}}),
    "critical standard name": forge(lambda header: header | {"crit": ["alg"]}),
    "critical empty": forge(lambda header: header | {"crit": []}),
    "critical text": forge(lambda header: header | {"crit": "b64", "b64": False}),
    "critical numbers": forge(lambda header: header | {"crit": [1]}),
    "critical but not processed": forge(lambda header: header | {"crit": ["adoTst"], "adoTst": {}}),
    "b64 not critical": forge(lambda header: header | {"b64": False}),
    "b64 false around the document": forge(lambda header: header | {"b64": False, "crit": ["b64"]}),
    "b64 no boolean": forge(lambda header: header | {"b64": 0, "crit": ["b64"]}),
    "two members": lambda key: compact(key, TWICE),
    "thumbprint of another": forge(lambda header: header | {"x5t#S256": b64(bytes(32))}),
    "thumbprint no text": forge(lambda header: header | {"x5t#S256": 5}),
    "other thumbprint": forge(lambda header: header | {"x5t#o": {"digAlg": "S512", "digVal": b64(bytes(64))}}),
    "certificates no list": forge(lambda header: header | {"x5c": header["x5c"][0]}),
    "no certificates": forge(lambda header: header | {"x5c": []}),
    "too many certificates": forge(lambda header: header | {"x5c": header["x5c"] * 20}),
    "certificate no text": forge(lambda header: header | {"x5c": [5]}),
    "certificate base64url": forge(lambda header: header | {"x5c": ["_-__"]}),
    "certificate no certificate": forge(lambda header: header | {"x5c": ["MAA="], "x5t#S256": b64(bytes(32))}),
    "two times": forge(lambda header: header | {"sigT": "2026-01-01T00:00:00Z"}),
    "time true": forge(lambda header: header | {"iat": True}),
    "time in the far future": forge(lambda header: header | {"iat": 10**30}),
    "time a fraction": forge(lambda header: header | {"iat": 1e400}),
    "names are halves": forge(lambda header: header | {"sigD": {"pars": ["\ud800"]}}),
    "header no object": lambda key: compact(key, b"[]"),
    "header nothing": lambda key: compact(key, b""),
    "header not UTF-8": lambda key: compact(key, b'{"alg":"\xff"}'),
    "header UTF-16": lambda key: compact(key, '{"alg":"RS256"}'.encode("utf-16")),
    "header deep": lambda key: compact(key, b'{"a":' + b"[" * 100_000),
    "header with NaN": lambda key: compact(key, b'{"alg":"RS256","iat":NaN}'),
    "header a huge number": lambda key: compact(key, b'{"iat":' + b"9" * 5000 + b"}"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_headers_that_are_wrong_are_refused_though_signed(key: SigningKey, case: str) -> None:
    content = MALFORMED[case](key)
    assert [finding.reason for finding in judge(content)] in ([Reason.MALFORMED], []), case


def signed_data(**changes: Any) -> Callable[[SigningKey], bytes]:
    def make(key: SigningKey) -> bytes:
        header = header_of(made(key, Format.JADES, Packaging.DETACHED))
        payload = changes.get("payload", b"")
        header["sigD"] = header["sigD"] | {name: value for name, value in changes.items() if name != "payload"}
        return compact(key, header, payload)

    return make


HASH = b64(hashlib.sha256(TEXT).digest())
SIGNED_DATA: dict[str, tuple[Reason, Callable[[SigningKey], bytes]]] = {
    "another mechanism": (Reason.MALFORMED, signed_data(mId="http://uri.etsi.org/19182/HttpHeaders")),
    "a payload beside": (Reason.MALFORMED, signed_data(payload=TEXT)),
    "fewer names": (Reason.MALFORMED, signed_data(pars=[])),
    "no hashes": (Reason.MALFORMED, signed_data(hashV=[], pars=[])),
    "hashes no list": (Reason.MALFORMED, signed_data(hashV=HASH)),
    "names no texts": (Reason.MALFORMED, signed_data(pars=[1])),
    "a hash of another document": (Reason.ALTERED, signed_data(hashV=[b64(bytes(32))])),
    "the hash of its base64url": (
        Reason.ALTERED,
        signed_data(hashV=[b64(hashlib.sha256(b64(TEXT).encode()).digest())]),
    ),
    "the hash spelt otherwise": (Reason.ALTERED, signed_data(hashV=[HASH + "="])),
    "another document besides": (Reason.CONTENT_ABSENT, signed_data(pars=["a", "b"], hashV=[HASH, HASH])),
    "SHA-1": (Reason.ALGORITHM_REFUSED, signed_data(hashM="S1", hashV=[b64(hashlib.sha1(TEXT).digest())])),
}


@pytest.mark.parametrize("case", SIGNED_DATA)
def test_data_beside_it_is_what_was_hashed(key: SigningKey, case: str) -> None:
    expected, make = SIGNED_DATA[case]
    assert reason(make(key), TEXT) is expected


def test_data_named_in_a_header_must_be_critical(key: SigningKey) -> None:
    header = header_of(made(key, Format.JADES, Packaging.DETACHED))
    del header["crit"]
    assert reason(compact(key, header, b""), TEXT) is Reason.MALFORMED


def test_data_is_hashed_as_base64url_where_the_header_does_not_say_otherwise(key: SigningKey) -> None:
    """ETSI TS 119 182-1 §5.2.8.3.3, as other software makes it."""
    header = header_of(made(key, Format.JADES, Packaging.DETACHED))
    del header["b64"]
    header["crit"] = ["sigD"]
    header["sigD"]["hashV"] = [b64(hashlib.sha256(b64(TEXT).encode()).digest())]
    assert reason(compact(key, header, b""), TEXT) is None


def test_an_older_jades_has_its_time_as_text(key: SigningKey) -> None:
    header = header_of(made(key, Format.JADES))
    del header["iat"]
    (finding,) = read_signatures(compact(key, header | {"sigT": "2024-05-01T10:00:00Z", "crit": ["sigT"]}), None)
    assert (finding.reason, finding.level, str(finding.claimed_at)) == (None, Level.B, "2024-05-01 10:00:00+00:00")


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_that_is_not_given_is_missed(key: SigningKey, kind: Format) -> None:
    assert reason(made(key, kind, Packaging.DETACHED)) is Reason.CONTENT_ABSENT


def test_a_document_beside_one_inside_must_be_the_same(key: SigningKey) -> None:
    assert reason(made(key), TEXT) is None
    assert reason(made(key), b"another") is Reason.ALTERED


def members(key: SigningKey) -> dict[str, Any]:
    return dict(json.loads(made(key, serialization=Serialization.JSON)))


NOT_COVERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "an unprotected header": lambda jws: jws | {"header": {"kid": "x"}},
    "an empty unprotected header": lambda jws: jws | {"header": {}},
    "an algorithm beside": lambda jws: jws | {"header": {"alg": "none"}},
    "unsigned attributes": lambda jws: jws | {"header": {"etsiU": []}},
    "a member that nobody knows": lambda jws: jws | {"note": "approved"},
    "in a general one": lambda jws: {"payload": jws.pop("payload"), "signatures": [jws | {"header": {}}]},
    "beside a general one": lambda jws: {"payload": jws.pop("payload"), "signatures": [jws], "note": 1},
    "a payload in a signature": lambda jws: {"payload": jws["payload"], "signatures": [jws]},
    "flattened and general": lambda jws: jws | {"signatures": [jws]},
}


@pytest.mark.parametrize("case", NOT_COVERED)
def test_what_is_not_signed_is_refused(key: SigningKey, case: str) -> None:
    content = json.dumps(NOT_COVERED[case](members(key))).encode()
    assert reason(content) is Reason.NOT_COVERED


UNREADABLE: dict[str, Callable[[dict[str, Any]], object]] = {
    "nothing": lambda jws: {},
    "no signature": lambda jws: {"payload": jws["payload"], "protected": jws["protected"]},
    "signatures no list": lambda jws: {"payload": jws["payload"], "signatures": jws},
    "signatures of texts": lambda jws: {"payload": jws["payload"], "signatures": ["x"]},
    "too many": lambda jws: {"payload": jws.pop("payload"), "signatures": [jws] * 51},
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_no_jws_is_said_to_be_none(key: SigningKey, case: str) -> None:
    with pytest.raises(UnreadableError):
        read_signatures(json.dumps(UNREADABLE[case](members(key))).encode(), None)


@pytest.mark.parametrize(
    "content", [b"", b".", b"..", b"a.b", b"\xff\xfe", b"%PDF-1.7", b"<a/>", b"{", b"[]", b'"a"', b"{" * 99_999]
)
def test_garbage_is_no_jws(content: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_signatures(content, None)


WRONG_TYPES: list[Callable[[dict[str, Any]], object]] = [
    lambda jws: jws | {"signature": 5},
    lambda jws: jws | {"protected": None},
    lambda jws: jws | {"protected": {"alg": "RS256"}},
    lambda jws: jws | {"payload": ["x"]},
    lambda jws: jws | {"payload": "\ud800"},
    lambda jws: {name: value for name, value in jws.items() if name != "protected"},
]


@pytest.mark.parametrize("change", WRONG_TYPES)
def test_members_of_another_type_are_malformed(key: SigningKey, change: Callable[[dict[str, Any]], object]) -> None:
    assert reason(json.dumps(change(members(key))).encode()) is Reason.MALFORMED


def test_a_member_twice_hides_nothing(key: SigningKey) -> None:
    text = made(key, serialization=Serialization.JSON)
    with pytest.raises(UnreadableError):
        read_signatures(text[:-1] + b',"payload":"' + b64(b"another").encode() + b'"}', None)


def test_each_of_several_signatures_is_told_apart(key: SigningKey) -> None:
    flattened = members(key)
    payload = flattened.pop("payload")
    wrong = flattened | {"signature": b64(bytes(256))}
    general = json.dumps({"payload": payload, "signatures": [flattened, wrong]}).encode()
    assert [finding.reason for finding in read_signatures(general, None)] == [None, Reason.SIGNATURE_WRONG]
    assert read_signatures(json.dumps({"payload": payload, "signatures": []}).encode(), None) == []


def test_a_weak_key_is_refused(key: SigningKey) -> None:
    header = header_of(made(key)) | {"x5c": [base64.b64encode(_with_weak_key(key)).decode()]}
    del header["x5t#S256"]
    assert reason(compact(key, header)) is Reason.ALGORITHM_REFUSED


def _with_weak_key(key: SigningKey) -> bytes:
    weak = rsa.generate_private_key(65537, 1024).public_key()
    public = [
        each.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for each in (key.key.public_key(), weak)
    ]
    return exchange(key.certificate_der, key.key, *public)
