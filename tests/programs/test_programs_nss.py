"""NSS at the door, as in Firefox and Chromium: its own programs list the keys, and log in to a TLS server."""

from __future__ import annotations

import os
import re
import ssl

import pytest
from support.client_auth import GREETING, TLS_1_2, TLS_1_3, client_auth_server
from support.door import Door, why_no_programs

from drivers.base import KeyRole

MISSING = why_no_programs("modutil", "certutil", "tstclnt", "openssl", "Xvfb", "xwininfo")
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=str(MISSING))
MODULE = "CPS"


def run(door: Door, *command: str, content: bytes | None = None) -> str:
    return door.programs.run(*command, "-d", f"sql:{door.folder}", content=content)


def make_profile(door: Door) -> None:
    """A database as a browser has it, that knows the module."""
    run(door, "certutil", "-N", "--empty-password")
    add = ("-force", "-add", MODULE, "-libfile", door.module)
    door.programs.run("modutil", "-dbdir", f"sql:{door.folder}", *add)


def nickname(door: Door, role: KeyRole) -> str:
    """As certutil lists it, with its token before it."""
    listing = run(door, "certutil", "-L", "-h", "all")
    label = door.certificate(role)["label"]
    return re.search(rf"^(.*:{re.escape(label)}) +u,u,u", listing, re.MULTILINE)[1]


def test_modutil_lists_the_slots_and_asks_nobody(card: Door) -> None:
    make_profile(card)
    listing = card.programs.ask("modutil", "-dbdir", f"sql:{card.folder}", "-list", MODULE).all
    assert card.pcscd
    slots = dict(re.findall(r"Slot: (.*)\n(?:  .*\n)*?  Status: (.*)\n", listing))
    assert slots[card.pcscd.reader_names[0]] == "Enabled"
    assert set(slots.values()) == {"Enabled"}, "NSS would not look at a slot again that it has found disabled"
    assert "Login Type: Login required" not in listing


def test_certutil_lists_certificates_and_keys(card: Door) -> None:
    make_profile(card)
    for role in KeyRole:
        token = nickname(card, role).partition(":")[0]
        keys = run(card, "certutil", "-K", "-h", token)
        assert len(re.findall(r"^<[ 0-9]+> rsa ", keys, re.MULTILINE)) == 2, keys


def test_tstclnt_logs_in_with_a_card_without_pss(card: Door) -> None:
    log_in(card, TLS_1_2)


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3], ids=["1.2", "1.3"])
def test_tstclnt_logs_in_with_a_cps4(cps4: Door, version: ssl.TLSVersion) -> None:
    log_in(cps4, version)


def log_in(door: Door, version: ssl.TLSVersion) -> None:
    make_profile(door)
    role = KeyRole.AUTHENTICATION
    own = door.write_certificate(role)
    with client_auth_server(door.folder, door.folder / "chain.pem", version) as gate:
        (door.folder / "request").write_text(gate.request)
        to = ("-h", "127.0.0.1", "-p", str(gate.port), "-n", nickname(door, role), "-o", "-A", "request")
        said = run(door, "tstclnt", *to)
    assert GREETING.decode() in said
    gate.assert_let_in(own, version)
