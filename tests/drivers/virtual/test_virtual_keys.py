"""Security environment, signatures, deciphering, hashing on the card."""

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from drivers.virtual.hashing import Sha1, Sha256

MESSAGE = b"ordonnance " * 17
DIGEST_INFO = bytes.fromhex("3031300D060960864801650304020105000420")
SET_AUTH, SET_SIGN, SET_SIGN_SHA1 = "002241A406840182800102", "002241B606840181800142", "002241B606840181800112"
SET_HASH, SET_HASH_SHA1, SET_DECIPHER = "002241AA03800140", "002241AA03800110", "002241B80684018280011A"


def public_key(terminal, fid):
    return x509.load_der_x509_certificate(terminal.read("3F000001" + fid)).public_key()


def check(terminal, fid, signature, message=MESSAGE, algorithm=None):
    public_key(terminal, fid).verify(signature, message, padding.PKCS1v15(), algorithm or hashes.SHA256())


def apdu(header, data):
    return f"{header}{len(data):02X}{data.hex()}"


def hash_command(message, name="sha256", split=None):
    """PSO HASH as a terminal builds it: midstate of the whole blocks, and the rest."""
    hasher = {"sha1": Sha1, "sha256": Sha256}[name]()
    head = len(message) // 64 * 64 if split is None else split
    state = hasher.midstate(message[:head]) + (8 * head).to_bytes(8) if head else b""
    last = message[head:]
    return apdu("002A90A0", bytes([0x90, len(state)]) + state + bytes([0x80, len(last)]) + last)


@pytest.mark.parametrize("df", ["3F00", "0001"])
def test_internal_authenticate(terminal, df):
    terminal.verify()
    terminal.send("00A4000C02" + df)
    terminal.send(SET_AUTH)
    signature = terminal.send(apdu("00880000", DIGEST_INFO + hashlib.sha256(MESSAGE).digest()))
    check(terminal, "B002", signature)


def test_internal_authenticate_signs_any_digest_info(terminal):
    terminal.verify()
    terminal.send(SET_AUTH)
    prefix = bytes.fromhex("3051300D060960864801650304020305000440")
    signature = terminal.send(apdu("00880000", prefix + hashlib.sha512(MESSAGE).digest()))
    check(terminal, "B002", signature, algorithm=hashes.SHA512())


@pytest.mark.parametrize(("length", "answer"), [(1, "6100"), (102, "6100"), (103, "6700"), (255, "6700")])
def test_internal_authenticate_takes_40_percent_of_the_modulus(terminal, length, answer):
    terminal.verify()
    terminal.send(SET_AUTH)
    assert terminal.raw(apdu("00880000", bytes(range(length)))) == answer
    assert terminal.raw("0088000000") == "6700"


def test_keys_want_a_pin_and_an_environment(terminal):
    block = apdu("00880000", bytes(20))
    assert terminal.raw(block) == "6985"
    terminal.send(SET_AUTH)
    assert terminal.raw(block) == "6982"
    terminal.verify()
    assert terminal.raw(block) == "6100"
    terminal.card.reset()
    terminal.verify()
    assert terminal.raw(block) == "6985"  # a reset clears the environment too
    terminal.send("00A4000C027F01")
    assert terminal.raw(SET_AUTH) == "6A88"
    assert terminal.raw(block) == "6A88"
    terminal.send("00A4000C023F00")
    assert terminal.raw("0088000101AA") == "6A86"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("002241B606 800142 840181", "9000"),  # either order
        ("002241A406840181800102", "6A88"),  # the signature key does not authenticate
        ("002241B606840182800142", "6A88"),
        ("002241A406840183800102", "6A88"),
        ("002241A406840182800142", "6A80"),
        ("002241B606840181800102", "6A80"),
        ("002241AA03800141", "6A80"),
        ("002241AA06800140840181", "6A80"),
        ("002241A403840182", "6A80"),
        ("002241A404840282", "6700"),
        ("002241A403840282", "6A80"),
        ("002241A406840182840182", "6A80"),
        ("0022C1A406840182800102", "6A86"),
        ("002241A606840182800102", "6A86"),
        ("002241A400", "6A80"),
    ],
)
def test_manage_security_environment(terminal, command, answer):
    assert terminal.raw(command) == answer


@pytest.mark.parametrize("length", [0, 1, 55, 56, 63, 64, 65, 119, 127, 128, 129, 1000])
@pytest.mark.parametrize("order", ["hash key", "key hash"])
def test_sha256_finished_on_the_card(terminal, length, order):
    message = bytes(i & 0xFF for i in range(length))
    terminal.verify()
    hashing = [SET_HASH, hash_command(message)]
    for command in [*hashing, SET_SIGN] if order == "hash key" else [SET_SIGN, *hashing]:
        terminal.send(command)
    signature = terminal.send("002A9E9A00")
    check(terminal, "B001", signature, message)


def test_sha1_finished_on_the_card(terminal):
    terminal.verify()
    for command in (SET_HASH_SHA1, hash_command(MESSAGE, "sha1"), SET_SIGN_SHA1):
        terminal.send(command)
    check(terminal, "B001", terminal.send("002A9E9A"), algorithm=hashes.SHA1())


def test_a_short_message_needs_no_midstate(terminal):
    terminal.verify()
    for body in (bytes([0x80, 5]) + b"hello", bytes([0x90, 0, 0x80, 5]) + b"hello"):
        terminal.send(SET_HASH)
        terminal.send(apdu("002A90A0", body))
        terminal.send(SET_SIGN)
        check(terminal, "B001", terminal.send("002A9E9A00"), b"hello")


@pytest.mark.parametrize(
    ("command", "digest", "algorithm"),
    [
        (SET_SIGN, hashlib.sha256(MESSAGE).digest(), hashes.SHA256()),
        (SET_SIGN_SHA1, hashlib.sha1(MESSAGE).digest(), hashes.SHA1()),
    ],
)
def test_a_hash_computed_off_the_card(terminal, command, digest, algorithm):
    terminal.verify()
    terminal.send(command)
    check(terminal, "B001", terminal.send(apdu("002A9E9A", digest)), algorithm=algorithm)
    assert terminal.raw(apdu("002A9E9A", digest[:-1])) == "6700"
    assert terminal.raw(apdu("002A9E9A", digest + b"x")) == "6700"


def test_a_hash_is_signed_once_and_by_its_own_algorithm(terminal):
    terminal.verify()
    assert terminal.raw(hash_command(MESSAGE)) == "6985"
    terminal.send(SET_HASH)
    terminal.send(hash_command(MESSAGE))
    assert terminal.raw("002A9E9A00") == "6985"
    terminal.send(SET_SIGN_SHA1)
    assert terminal.raw("002A9E9A00") == "6985"
    terminal.send(hash_command(MESSAGE))
    terminal.send(SET_SIGN)
    assert terminal.raw("002A9E9A00") == "6100"
    assert terminal.raw("002A9E9A00") == "6985"
    assert terminal.raw("002A9E9B00") == "6A86"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "9000",
        "9028" + "00" * 39,
        "9027" + "00" * 39 + "8000",
        "901C" + "00" * 28 + "8000",  # SHA-1's length
        "9028" + "00" * 39 + "08" + "8000",  # eight bits are no whole block
        "8041" + "00" * 65,
        "81018000",
        "90008001aa8001bb",
        "9000810100",
    ],
)
def test_malformed_hash_commands(terminal, body):
    terminal.send(SET_HASH)
    assert terminal.raw(apdu("002A90A0", bytes.fromhex(body))) == "6A80"


def test_decipher_needs_a_chain(terminal):
    terminal.verify()
    terminal.send(SET_DECIPHER)
    cryptogram = public_key(terminal, "B002").encrypt(b"secret", padding.PKCS1v15())
    data = b"\x81" + cryptogram
    assert terminal.raw(apdu("102A8086", data[:255])) == "9000"
    assert terminal.send(apdu("002A8086", data[255:])) == b"secret"
    assert terminal.raw(apdu("102A8086", data[:200])) == "9000"
    assert terminal.raw("0084000001") == "6883"  # another command breaks the chain
    assert terminal.raw(apdu("002A8086", data[200:])) == "6700"
    assert terminal.raw(apdu("102A8086", b"\x00" + data[1:255])) == "9000"
    assert terminal.raw(apdu("002A8086", data[255:])) == "6A80"
    for _ in range(2):
        terminal.send(apdu("102A8086", data[:255]))
    assert terminal.raw(apdu("102A8086", data[:255])) == "6700"


def test_the_signature_key_never_deciphers(terminal):
    assert terminal.raw("002241B80684018180011A") == "6A88"
