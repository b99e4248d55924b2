"""VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER, and what survives."""

import shutil

import pytest

from drivers.virtual.store import open_card

PIN, PUK = "31323334", "3132333435363738"
NEW = "39383736"


def test_tries_count_down_and_a_right_code_restores_them(terminal):
    assert terminal.raw("0020000100") == "63C3"
    assert terminal.raw("00200001") == "63C3"
    terminal.verify("0000", "63C2")
    terminal.verify("123456", "63C1")
    assert terminal.tries() == "63C1"
    terminal.verify("1234")
    assert terminal.tries() == "9000"
    terminal.card.reset()
    assert terminal.tries() == "63C3"


def test_the_last_wrong_try_blocks(terminal):
    terminal.verify("0000", "63C2")
    terminal.verify("0000", "63C1")
    terminal.verify("0000", "6983")
    terminal.verify("1234", "6983")
    assert terminal.tries() == "6983"
    assert terminal.send("00CB3FFF0A4D087006BF810102A080").hex().upper()[16:28] == "9A01039B0100"


def test_a_wrong_code_closes_an_open_card(terminal):
    terminal.verify()
    terminal.verify("0000", "63C2")
    assert terminal.tries() == "63C2"


@pytest.mark.parametrize("restart", ["reset", "power_on", "power_off"])
def test_what_was_verified_is_forgotten(terminal, restart):
    terminal.verify()
    getattr(terminal.card, restart)()
    assert terminal.tries() == "63C3"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("0020010104" + PIN, "6A86"),
        ("0020000304" + PIN, "6A88"),
        ("0020008104" + PIN, "6A88"),
        ("0020000103313233", "6700"),
        ("0020000109313233343536373839", "6700"),
        ("0020000104", "6700"),
        ("002400010431323334", "6700"),
        ("0024010108" + PIN + NEW, "6A86"),
        ("002401010831323334", "6700"),
        ("002C030104" + NEW, "6A86"),
        ("002C020204" + NEW, "6A88"),
        ("002C020104" + NEW, "6982"),  # the PUK was not verified
    ],
)
def test_malformed_code_commands_cost_no_try(terminal, command, answer):
    assert terminal.raw(command) == answer
    assert terminal.tries() == "63C3"


def test_codes_are_seen_from_the_mf_and_the_application_only(terminal):
    for df in ("00A4000C020001", "00A4090C023F00"):
        terminal.send(df)
        assert terminal.raw("0020000100") == "63C3"
    terminal.send("00A4000C027F01")
    assert terminal.raw("0020000100") == "6A88"


def test_change_of_the_pin(terminal):
    assert terminal.raw("0024000108" + NEW + PIN) == "63C2"
    assert terminal.raw("0024000108" + PIN + "41424344") == "6A80"
    assert terminal.raw("0024000107" + PIN + "393837") == "6700"
    assert terminal.raw("002400010C" + PIN + "3131313131313131") == "9000"
    terminal.verify("1234", "63C2")
    terminal.verify("11111111")
    assert terminal.raw("002400010E" + "31" * 8 + "323232323232") == "9000"
    terminal.verify("222222")


def test_change_of_the_puk(terminal):
    assert terminal.raw("0024000210" + PUK + "37" * 8) == "9000"
    assert terminal.raw("0020000208" + PUK) == "63C2"
    assert terminal.raw("0020000208" + "37" * 8) == "9000"


def test_unblocking_in_two_steps(terminal):
    for sw in ("63C2", "63C1", "6983"):
        terminal.verify("0000", sw)
    assert terminal.raw("0020000208" + PUK) == "9000"
    assert terminal.raw("002C020104" + NEW) == "9000"
    assert terminal.tries() == "63C3"
    terminal.verify("9876")


def test_unblocking_in_one_step(terminal):
    for sw in ("63C2", "63C1", "6983"):
        terminal.verify("0000", sw)
    assert terminal.raw("002C00010C" + "30" * 8 + NEW) == "63C2"
    assert terminal.tries() == "6983"
    assert terminal.raw("002C00010C" + PUK + NEW) == "9000"
    assert terminal.tries() == "63C3"
    terminal.verify("9876")


def test_the_puk_has_its_own_counter(terminal):
    for sw in ("63C2", "63C1", "6983", "6983"):
        assert terminal.raw("0020000208" + "30" * 8) == sw
    assert terminal.tries(2) == "6983"
    assert terminal.tries(1) == "63C3"
    assert terminal.raw("002C00010C" + PUK + NEW) == "6983"
    terminal.verify()


def test_tries_and_codes_survive_a_new_start(data_dir, connect):
    with open_card(data_dir) as card:
        connect(card).verify("0000", "63C2")
    with open_card(data_dir) as card:
        terminal = connect(card)
        assert terminal.tries() == "63C2"
        assert terminal.raw("0024000108" + PIN + NEW) == "9000"
    with open_card(data_dir) as card:
        connect(card).verify("1234", "63C2")
        connect(card).verify("9876")


def test_the_try_is_on_disk_before_the_code_is_looked_at(terminal, card_folder, monkeypatch):
    """A process killed while it compares has spent its try."""
    seen = []
    monkeypatch.setattr(
        "drivers.virtual.codes.hmac.compare_digest",
        lambda a, b: seen.append((card_folder / "codes.json").read_text()) or a == b,
    )
    terminal.verify()
    assert '"tries_left": 2' in seen[0]


def test_a_disk_that_fails_spends_no_secret(terminal, card_folder):
    shutil.rmtree(card_folder)
    assert terminal.raw("0020000104" + PIN) == "6581"
    assert terminal.raw("0020000100") == "63C3"
