"""A virtual card in a folder of its own for each test, and a terminal that speaks T=0 with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.virtual.card_os import VirtualCard
from drivers.virtual.chip import Chip
from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.store import open_card


@dataclass
class Terminal:
    """Send commands written as in a transcript; `steps` counts them."""

    card: Chip

    def raw(self, text: str) -> str:
        return self.card.process(bytes.fromhex(text)).hex().upper()

    def send(self, text: str, sw: str = "9000") -> bytes:
        """Send one command, fetch what 61xx announces, require the status word."""
        answer = self.card.process(bytes.fromhex(text))
        data = b""
        while answer[-2] == 0x61:
            data += answer[:-2]
            answer = self.card.process(bytes.fromhex("00C00000") + answer[-1:])
        data += answer[:-2]
        assert answer[-2:].hex().upper() == sw.upper(), text
        return data

    def read(self, path: str) -> bytes:
        """Select by path from the MF and read the whole file."""
        fcp = self.send(f"00A40904 {len(bytes.fromhex(path)):02X} {path}")
        size, content = int.from_bytes(fcp[4:6]), b""
        assert fcp[2:4] == b"\x80\x02"
        while len(content) < size:
            content += self.send(f"00B0{len(content):04X}{min(256, size - len(content)) & 0xFF:02X}")
        return content

    def verify(self, digits: str = "1234", sw: str = "9000") -> None:
        self.send("00A4020C023F00")
        self.send(f"00200001{len(digits):02X}{digits.encode().hex()}", sw)

    def tries(self, reference: int = 1) -> str:
        self.send("00A4020C023F00")
        return self.raw(f"002000{reference:02X}00")


@pytest.fixture
def data_dir(folder: Path) -> Path:
    return folder


@pytest.fixture
def card(data_dir: Path) -> Iterator[VirtualCard]:
    with open_card(data_dir) as card:
        yield card


@pytest.fixture
def terminal(card: VirtualCard) -> Terminal:
    card.power_on()
    return Terminal(card)


@pytest.fixture
def card_folder(data_dir: Path) -> Path:
    return data_dir / "virtual" / "cards" / DEFAULT.serial


@pytest.fixture
def connect() -> Callable[[Chip], Terminal]:
    return Terminal
