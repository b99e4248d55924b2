"""Questions that the tests of `agent.people` ask."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from agent.people.prompt import (
    Action,
    Asker,
    CardChoice,
    CardSummary,
    ConfirmRequest,
    Deed,
    DeedRequest,
    KeptCertificate,
    Notice,
    NoticeKind,
    NumberSummary,
    PinKind,
    PinRequest,
)
from drivers.pin import Typed

PAGE = Asker("https://dmp.example", "/usr/lib/firefox-esr/firefox", is_page=True)
PROGRAM = Asker("/opt/cabinet/bin/cabinet", "/opt/cabinet/bin/cabinet")
CARD = CardSummary("99213845", "DUPONT Marie", test=True)
LOGIN = PinRequest(PinKind.USE, PAGE, Action.AUTHENTICATE, CARD, ("https://dmp.example",), tries_left=3)
CHANGE = PinRequest(PinKind.CHANGE, PROGRAM, Action.CHANGE_PIN, CARD, tries_left=3)
UNBLOCK = PinRequest(PinKind.UNBLOCK, PROGRAM, Action.UNBLOCK_PIN, CARD)
CONSENT = ConfirmRequest(PAGE, ("identity", "authenticate"), remembered=True)
PAD = replace(LOGIN, on_pad=True)
OTHER_CARD = CardSummary("2000114459", "CENTRE HOSPITALIER", kind="CPE", reader="SCM SCR 3310 00 00")
CHOICE = CardChoice(PAGE, Action.SIGN, (CARD, OTHER_CARD, replace(OTHER_CARD, number="0077120033")))
SOFTWARE_CARD = CardSummary("S0A1B2C3D4E5F607", "CABINET DUPONT", test=True, kind="software")
SOFTWARE_SIGN = PinRequest(
    PinKind.USE, PROGRAM, Action.SIGN, SOFTWARE_CARD, ("a.pdf",), sizes=(1000,), format="CMS / CAdES-B", passphrase=True
)
NO_CODE = replace(SOFTWARE_SIGN, passphrase=False, no_code=True)
KEPT = KeptCertificate("CABINET DUPONT", "AC IGC-SANTE", datetime(2028, 6, 30, 12, tzinfo=UTC), "SIGN")
OPENS = DeedRequest(Deed.IMPORT, PROGRAM, "cabinet.p12", opens=True)
PROTECTS = DeedRequest(Deed.IMPORT, PROGRAM, "cabinet.p12", (KEPT,), protects=True)
REMOVES = DeedRequest(Deed.REMOVE, PROGRAM, "CABINET DUPONT", (KEPT,))
NO_TRAY = Notice(NoticeKind.NO_TRAY)
ON_READER = Notice(NoticeKind.TYPE_ON_READER, CARD, 3)
NUMBER = Notice(NoticeKind.COMPARE_NUMBER, login=NumberSummary("07", PROGRAM, "Pro Santé Connect", "899700002712"))


def login_from(caller: str) -> PinRequest:
    return replace(LOGIN, asker=Asker(caller, is_page=True))


def digits(pin: Typed | None) -> str:
    assert pin is not None
    shown = bytearray()
    pin.append_to(shown)
    return shown.decode()
