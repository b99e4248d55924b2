"""The card's data objects at the door: the private ones are for programs that log in, and each is read after a code."""

from __future__ import annotations

import os
import re

import pytest
from support.door import Door, why_no_programs
from support.other_program import look_at_card

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
