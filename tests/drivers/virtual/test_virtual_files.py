"""SELECT, READ BINARY, UPDATE BINARY, GET DATA, GET CHALLENGE and malformed commands."""

import pytest

from drivers.card.tlv import find_tlv, read_tlvs
from drivers.virtual.personalisation import DEFAULT, luhn_key

AID = "E828BD080F8025000001FF0010"
PIN_DOCP = "00CB3FFF 0A 4D087006 BF8101 02A080"
KEY_DOCP = "00CB3FFF 0A 4D087006 BF9002 02A080"


def test_the_files_of_a_genuine_card_are_byte_for_byte_the_same(terminal):
    """Values of OpenSC #2223 and #2275, EF.SN with our own number."""
    assert terminal.card.power_on().hex().upper() == "3BAC00402A001225006480000310009000"
    assert terminal.send("00A40904043F002F01").hex().upper() == (
        "62258002003982010183022F018801E8A1128C077B45FFFFFF45009C077BFFFFFFFFFF008A0105"
    )
    assert terminal.read("3F002F01").hex().upper() == (
        "804301B8460404B0ECC147039401804F088025000001FF0100"
        "E01002020104020201040202010002020100780806062B8122F8780282029000"
    )
    assert terminal.send("00A40904043F00D003").hex().upper() == (
        "62258002000C8201018302D0038801E0A1128C077BFFFFFFFFFF009C077BFFFFFFFFFF008A0105"
    )
    assert len(terminal.read("3F002F00")) == 0x65
    assert terminal.read("3F00D003").hex().upper() == "5A0A8025000001999000018F"


def test_the_number_of_a_genuine_card_passes_the_same_key():
    assert luhn_key("802500000199213845") == 0
    assert luhn_key(DEFAULT.holder.rpps[:-1]) == int(DEFAULT.holder.rpps[-1])
    assert DEFAULT.holder.rpps.startswith("997")
    for situation in DEFAULT.holder.situations:
        assert luhn_key(situation.structure_id[1:-1]) == int(situation.structure_id[-1])


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("00A4000C023F00", "9000"),
        ("00A4000C", "9000"),  # no data field: the MF
        ("00A4000C022F00", "9000"),
        ("00A4000C020001", "9000"),
        ("00A4020C022F00", "9000"),
        ("00A4020C020001", "6A82"),  # P1=02 finds EFs, and the MF
        ("00A4020C023F00", "9000"),
        ("00A4030C", "6A82"),  # the MF has no parent
        ("00A4030C00", "6A82"),
        ("00A4040C0D" + AID, "9000"),
        ("00A404040D" + AID, "6121"),
        ("00A404000D" + AID, "6A86"),  # a genuine card refuses P2=00
        ("00A4040C0D" + AID[:-2] + "20", "6A82"),  # the contactless application
        ("00A4040C088025000001FF0100", "9000"),
        ("00A40904043F002F01", "6127"),
        ("00A4090C023F00", "9000"),
        ("00A4090C022F00", "9000"),
        ("00A4090C063F0000015031", "9000"),
        ("00A4090C063F0000025031", "6A82"),
        ("00A4090C083F002F0000015031", "6A82"),
        ("00A4090C033F0000", "6700"),
        ("00A4090C043F00D010", "6A82"),  # EF_ACTUA is absent from most cards
        ("00A4010C023F00", "6A86"),
        ("00A4080C022F00", "6A86"),
        ("00A4020C013F", "6700"),
        ("00A4090C023F0000", "6700"),  # Le does not exist in a T=0 command with data
    ],
)
def test_select(terminal, command, answer):
    assert terminal.raw(command) == answer


def test_selection_is_relative_to_the_current_df(terminal):
    terminal.send("00A4040C0D" + AID)
    assert terminal.raw("00A4090C025031") == "9000"
    assert terminal.raw("00A4020C025032") == "9000"
    assert terminal.raw("00A4020C022F00") == "6A82"
    assert terminal.raw("00A4000C020001") == "9000"
    terminal.send("00A4030C")
    assert terminal.raw("00A4020C022F00") == "9000"


def test_reading_in_pieces_and_past_the_end(terminal):
    certificate = terminal.read("3F000001B002")
    assert 2000 <= len(certificate) <= 2250
    assert terminal.send("00B0000010") == certificate[:16]
    assert terminal.send("00B0010000") == certificate[256:512]
    rest = len(certificate) % 256
    assert terminal.raw(f"00B0{len(certificate) - rest:04X}00") == f"6C{rest:02X}"
    assert terminal.raw(f"00B0{len(certificate):04X}01") == "6B00"
    terminal.send("00A4020C023F00")
    assert terminal.raw("00B0000001") == "6986"
    assert terminal.raw("00B09C00C0") == "6C0C"
    assert len(terminal.send("00B09C000C")) == 12
    assert terminal.send("00B0000102") == b"\x0a\x80"  # the short identifier made EF.SN current
    assert terminal.raw("00B0830001") == "6A82"
    assert terminal.raw("00B0800001") == "6A82"
    assert terminal.raw("00B0000001FF") == "6700"


def test_get_response_gives_as_much_as_asked(terminal):
    assert terminal.raw("00A40904043F002F01") == "6127"
    assert terminal.raw("00C0000028") == "6C27"
    assert terminal.raw("00C0000102") == "6A86"
    first = terminal.raw("00C0000020")
    assert first.endswith("6107")
    assert terminal.raw("00C0000007").endswith("8A01059000")
    assert terminal.raw("00C0000007") == "6985"
    terminal.raw("00A40904043F002F01")
    terminal.raw("0084000001")
    assert terminal.raw("00C0000027") == "6985"  # another command in between drops the answer


def test_private_files_need_the_pin(terminal):
    activity = "00A4090C063F000001D120"
    terminal.send(activity)
    assert terminal.raw("00B0000010") == "6982"
    terminal.verify()
    content = terminal.read("3F000001D120")
    (container,) = read_tlvs(content)
    assert container.tag == 0xEE
    assert [child.tag for child in container.children()] == [0x84, 0x85, 0x86]
    assert find_tlv(content, 0xEE, 0x86).value == b"SA07"
    assert find_tlv(terminal.read("3F000001D122"), 0xEE, 0x86).value == b"SA05"
    assert terminal.raw("00A4090C063F000001D121") == "6A82"  # numbers may be skipped
    assert terminal.read("3F007F014000")
    terminal.card.reset()
    terminal.send(activity)
    assert terminal.raw("00B0000010") == "6982"


def test_only_cps_data_may_be_written_and_only_with_the_pin(terminal):
    terminal.send("00A4090C063F000001D107")
    assert terminal.raw("00D6000002ABCD") == "6982"
    terminal.verify()
    terminal.send("00A4090C063F000001D107")
    assert terminal.raw("00D6000002ABCD") == "9000"
    assert terminal.raw("00D6001F02ABCD") == "6B00"
    assert terminal.raw("00D6000000") == "6700"
    assert terminal.read("3F000001D107") == b"\xab\xcd" + bytes(30)
    for path in ("3F000001B001", "3F000001D120", "3F00D003", "3F002F00"):
        terminal.send(f"00A4090C{len(path) // 2:02X}{path}")
        assert terminal.raw("00D600000130") == "6982", path


def test_codes_and_keys_are_described_where_a_genuine_card_describes_them(terminal):
    assert terminal.send(PIN_DOCP).hex().upper() == "7016BF810112A0109A01039B0103A1088C06F3000013FF00"
    assert terminal.send("00CB3FFF0B4D097007BF8101037F4180").hex().upper() == "700DBF8101097F4106800108810104"
    assert terminal.raw("00CB3FFF0A4D087006BF810202A080") == "6118"
    assert terminal.raw(KEY_DOCP) == "6A88"
    assert terminal.raw("00CB3FFF0A4D087006BF810302A080") == "6A88"
    terminal.send("00A4040C0D" + AID)
    assert terminal.raw(PIN_DOCP) == "6A88"
    docp = terminal.send(KEY_DOCP)
    assert docp[2:5].hex() == "bf9002"
    content = docp[6:]
    assert find_tlv(content, 0xA0, 0x80).value == b"\x01\x00"
    assert find_tlv(content, 0xA0, 0xA1, 0x8C).value[0] == 0x7B
    assert terminal.raw("00CB3FFF0B4D097007BF9002037F4880") == "6A80"
    assert terminal.raw("00CB3FFF0A4D087006BF900302A080") == "6A88"
    assert terminal.raw("00CB3FFF0A4D087006BFFB0102A080") == "6A88"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("00CB00FF0A4D087006BF810102A080", "6A86"),
        ("00CB3FFF0A4D087006BF810103A080", "6A80"),
        ("00CB3FFF0A4D077006BF810102A080", "6A80"),
        ("00CB3FFF084D067004BF810102", "6A80"),
        ("00CB3FFF0A4D087006BF810102A180", "6A80"),
        ("00CB3FFF00", "6A80"),
        ("0084000101", "6A86"),
        ("008400000101", "6700"),
        ("80A4000C023F00", "6E00"),
        ("0CA4000C023F00", "6E00"),
        ("10A4000C023F00", "6884"),
        ("00FF000000", "6D00"),
        ("", "6700"),
        ("00A400", "6700"),
        ("00A4000C033F00", "6700"),
        ("00A4000C02", "6700"),
        ("00A40904000004 3F002F00", "6700"),  # extended length
        ("00A40904000004 3F002F00 0000", "6700"),
    ],
)
def test_what_is_malformed_gets_its_status_word(terminal, command, answer):
    assert terminal.raw(command) == answer


def test_get_challenge(terminal):
    assert len(terminal.send("0084000008")) == 8
    assert len(terminal.send("0084000000")) == 256
    assert terminal.send("0084000010") != terminal.send("0084000010")
