"""Attacks by a card in a second reader: it must not be taken for the one in the reader that was meant."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from drivers.base import Deadline
from drivers.errors import CardUnknownError
from drivers.pkcs11 import locations
from drivers.pkcs11.modules import CardModules
from drivers.pkcs11.workers import ModuleWorkers
from drivers.virtual.link import VirtualSlot

FAKE = """
import sys
from drivers.pkcs11 import wire
stream = open(0, "rb", buffering=0)
while read := wire.read_request(stream):
    assert isinstance(read[0], wire.ListSlots), "opened"
    text = open(sys.argv[1]).read().encode()
    sys.stdout.buffer.write(len(text).to_bytes(4) + bytes([0]) + text)
    sys.stdout.buffer.flush()
"""
LONG = "A reader with a name that is longer than what PKCS#11 has room for, contact"
CARDS = {"mine first": ("1", "2"), "theirs alone": ("2", None), "mine unknown": (None, "2")}


class Named(VirtualSlot):
    """A slot of that name; nothing else of it is asked."""

    def __init__(self) -> None:
        self.name = f"{LONG} 00 00"


@pytest.mark.parametrize("serials", CARDS)
def test_attack_cards_in_readers_whose_names_are_cut_are_not_guessed_at(
    serials: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locations, "LINUX", ())
    states = [
        {"slot": slot, "description": LONG[:64], "removable": True, "label": "CPS", "serial": serial}
        for slot, serial in enumerate(CARDS[serials])
    ]
    module = tmp_path / "module.so"
    module.write_text(json.dumps({"message": "slots", "manufacturer": "", "slots": states}))
    modules = CardModules(ModuleWorkers(named=(module,), command=(sys.executable, "-c", FAKE)))
    with pytest.raises(CardUnknownError, match="apart"):
        modules.open(Named(), Deadline(10))
