"""Two conversations captured with real programs, replayed: the official PKCS#11 library 5.2.2 and OpenSC 0.23.0.

Captured on another virtual CPS3; they keep no repeated command, so files are read whole where the capture says READ.
"""

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from drivers.virtual import pkcs15
from drivers.virtual.personalisation import DEFAULT

APPLICATION = "E828BD080F8025000001FF0010"
CONTACTLESS = "E828BD080F8025000001FF0020"


def verify_signature(certificate, signature, message):
    key = x509.load_der_x509_certificate(certificate).public_key()
    key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())


def test_official_library_signs_with_the_signature_key(terminal):
    message = b"secret"
    # which card is it, and is an update of it unfinished?
    terminal.send("00A40904043F00D003")
    assert len(terminal.send("00B000000C")) == 12
    terminal.send("00A40904043F002F00")
    assert terminal.send("00B0000065")[:4].hex() == "61324f0d"
    assert terminal.raw("00A40904043F00D010") == "6A82"
    # the application and its directory files
    assert terminal.raw(f"00A4040C0D{APPLICATION}") == "9000"
    for fid in ("5031", "5032", "7001"):
        assert terminal.read("3F000001" + fid)
    # tries of PIN and PUK
    assert terminal.raw("00A4090C023F00") == "9000"
    assert terminal.send("00CB3FFF0A4D087006BF810102A080")[11:14].hex() == "9b0103"
    assert terminal.send("00CB3FFF0A4D087006BF810202A080")[11:14].hex() == "9b0103"
    for fid in ("7002", "7005", "7006"):
        assert terminal.read("3F000001" + fid)
    certificate = terminal.read("3F000001B001")
    # login
    assert terminal.raw("00A4020C023F00") == "9000"
    assert terminal.raw("002000010431323334") == "9000"
    # SHA256-RSA-PKCS
    assert terminal.raw("002241AA03800140") == "9000"
    assert terminal.raw("002A90A00A90008006" + message.hex()) == "9000"
    assert terminal.raw("002241B606800142840181") == "9000"
    assert terminal.raw("002A9E9A00") == "6100"
    first = terminal.card.process(bytes.fromhex("00C00000E7"))
    assert first[-2:].hex() == "6119"
    last = terminal.card.process(bytes.fromhex("00C0000019"))
    assert last[-2:].hex() == "9000"
    verify_signature(certificate, first[:-2] + last[:-2], message)


def test_opensc_signs_with_the_authentication_key(terminal):
    digest_info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(b"hello").digest()
    # the card
    assert terminal.raw("00A40904043F002F01") == "6127"
    assert terminal.raw("00C0000027").endswith("9000")
    terminal.send("00B0000039")
    terminal.send("00A40404088025000001FF0100")
    assert terminal.raw("00B09C00C0") == "6C0C"
    terminal.send("00B09C000C")
    terminal.send("00A40904043F002F00")
    terminal.send("00B0000065")
    terminal.send(f"00A404040D{APPLICATION}")
    for fid in ("5031", "5032", "7001", "7002", "7006", "7005", "B001"):
        assert terminal.read("3F000001" + fid)
    certificate = terminal.read("3F000001B002")
    assert terminal.raw(f"00A404040D{CONTACTLESS}") == "6A82"
    # login
    terminal.send("00A40204023F00")
    assert terminal.raw("0020000100") == "63C3"
    terminal.send("00A40904023F00")
    assert terminal.send("00CB3FFF0B4D097007BF8101037F4180").hex() == "700dbf8101097f4106800108810104"
    assert terminal.send("00CB3FFF0A4D087006BF810102A080").hex() == "7016bf810112a0109a01039b0103a1088c06f3000013ff00"
    assert terminal.raw("002000010431323334") == "9000"
    # signature
    terminal.send("00A40904043F000001")
    assert terminal.raw("00CB3FFF0B4D097007BF9002037F4880") == "6A80"
    terminal.send("00CB3FFF0A4D087006BF900202A080")
    assert terminal.raw("002241A406840182800102") == "9000"
    assert terminal.raw("0088000033" + digest_info.hex()) == "6100"
    signature = terminal.card.process(bytes.fromhex("00C0000000"))
    assert signature[-2:].hex() == "9000"
    verify_signature(certificate, signature[:-2], b"hello")


def test_directory_files_name_what_a_genuine_card_names(terminal):
    """Labels, CKA_IDs and key references of OpenSC #2267."""
    keys = terminal.read("3F0000017002")
    for value in (b"CPS_PRIV_SIG", b"CPS_PRIV_AUT", bytes.fromhex("02020081"), bytes.fromhex("02020082")):
        assert value in keys
    for suffix in ("01", "02"):
        assert bytes.fromhex(APPLICATION + suffix) in keys
    assert terminal.read("3F0000015032") == pkcs15.encode_token_info(DEFAULT)
    assert "Code de déblocage".encode() in terminal.read("3F0000017001")
    odf = terminal.read("3F0000015031")
    assert odf.hex().upper() == "".join(
        f"{tag}0A300804063F000001{fid}" for tag, fid in (("A8", "7001"), ("A0", "7002"), ("A4", "7005"), ("A7", "7006"))
    )
