"""The card's data objects at the door: the private ones are for programs that log in, and each is read after a code."""

from __future__ import annotations

import os
import re

import pytest
from support.door import Door, why_no_programs
from support.other_program import look_at_card
from support.processes import command

MISSING = why_no_programs("pkcs11-tool", "Xvfb", "xwininfo")
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=str(MISSING))
LISTED = re.compile(
    r"label: +'(?P<label>.*)'\n +application: +'(?P<application>.*)'\n(?: +app_id: .*\n)? +flags: +(?P<flags>.*)"
)


def test_data_objects_are_listed_and_read(card: Door) -> None:
    assert card.pcscd
    tool = ("pkcs11-tool", "--module", card.module, "--login", "--pin", "0000")
    listing = card.programs.run(*tool, "-O", "--type", "data")
    listed = [found.groupdict() for found in LISTED.finditer(listing)]
    assert any("private" in each["flags"] for each in listed), listing
    assert any("private" not in each["flags"] for each in listed), listing
    for each in listed:
        before = card.latest_use()
        read = ("--read-object", "--type", "data", "--label", each["label"], "-o", "value")
        card.programs.run(*tool, *read)
        assert (card.folder / "value").read_bytes()
        assert look_at_card(card.pcscd) == "63c3"
        added = card.uses(before)
        assert any(use["subject"] == each["label"] and use["exchanges"] for use in added) == (
            "private" in each["flags"]
        )


def test_what_was_consented_to_is_listed_with_its_card(card: Door) -> None:
    private = ("--login", "--pin", "0000", "--read-object", "--type", "data", "--label", "CPS_ACTIVITY_01_PS")
    card.programs.run("pkcs11-tool", "--module", card.module, *private, "-o", "value")
    (shown,) = card.client.cards()
    listed = card.programs.run(*command("grants", "--data-dir", str(card.data_dir))).splitlines()
    given = f"read-private-data ({shown['number']})"
    assert any("/usr/bin/pkcs11-tool" in line and given in line for line in listed), listed
