"""Another program of this workstation that speaks to the card over PC/SC, and what the card lets it do."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from support.pcscd import PcscdHandle

PROBE = """
import sys
from smartcard.scard import *
_, context = SCardEstablishContext(SCARD_SCOPE_USER)
_, card, _ = SCardConnect(context, sys.argv[1], SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0)
def send(text):
    return bytes(byte & 255 for byte in SCardTransmit(card, SCARD_PCI_T0, list(bytes.fromhex(text)))[1]).hex()
send("00A4090C023F00")
print(send("0020000100"))
send("00A4090C043F000001"); send("002241A406840182800102")
print(send("008800000F" + "30" * 15))
"""
HOLDER = """
import sys
from smartcard.scard import *
_, context = SCardEstablishContext(SCARD_SCOPE_USER)
mode = SCARD_SHARE_EXCLUSIVE if sys.argv[2] == "exclusive" else SCARD_SHARE_SHARED
result, card, _ = SCardConnect(context, sys.argv[1], mode, SCARD_PROTOCOL_T0)
assert result == 0, hex(result)
if sys.argv[2] == "transaction":
    while SCardBeginTransaction(card):
        SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0, SCARD_LEAVE_CARD)
print("held", flush=True)
sys.stdin.read()
"""


def look_at_card(pcscd: PcscdHandle) -> str:
    """Ask a CPS3 as a program without a code: "open" when a key signs for it.

    Otherwise the status word of VERIFY without data (ISO 7816-4 §11.5.6): 63Cx, with x tries left, while it is closed.
    """
    done = subprocess.run(
        (sys.executable, "-c", PROBE, pcscd.reader_names[0]),
        env=pcscd.env, capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    state, signature = done.stdout.split()
    return str(state) if len(signature) == 4 and signature.startswith("69") else "open"


@contextlib.contextmanager
def another_program(pcscd: PcscdHandle, how: str) -> Iterator[None]:
    """A program that keeps the card for itself until the block ends; `how`: "exclusive" or "transaction"."""
    with subprocess.Popen(
        (sys.executable, "-c", HOLDER, pcscd.reader_names[0], how),
        env=pcscd.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        yield
        other.stdin.close()
