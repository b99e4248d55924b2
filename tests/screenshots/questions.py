"""A question of every kind, as callers really ask them, and as hostile ones do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from agent.people.prompt import (
    ABILITIES,
    Action,
    Asker,
    CardChoice,
    CardSummary,
    CertificateSummary,
    ConfirmRequest,
    Notice,
    NoticeKind,
    PinKind,
    PinRequest,
)
from agent.people.wire import Question

PAGE = Asker("https://www.dmp.example", "/usr/lib/firefox-esr/firefox-esr", is_page=True)
PROGRAM = Asker("/opt/cabinet-medical/bin/cabinet", "/opt/cabinet-medical/bin/cabinet")
CARD = CardSummary("0099213845", "DUPONT-LEFÈVRE Marie-Hélène", reader="Gemalto PC Twin Reader 00 00")
TEST_CARD = replace(CARD, test=True, reader=None)
STRUCTURE = CardSummary(
    "2000114459", "CENTRE HOSPITALIER INTERCOMMUNAL DE LA VALLÉE", kind="CPE", reader="SCM SCR 3310 00 00", test=True
)
CERTIFICATE = CertificateSummary("TEST AC IGC-SANTE ELEMENTAIRE PERSONNES", datetime(2028, 6, 30, 12, tzinfo=UTC))

LOGIN = PinRequest(PinKind.USE, PAGE, Action.AUTHENTICATE, TEST_CARD, (PAGE.caller,), tries_left=3)
SIGN = PinRequest(
    PinKind.USE, PAGE, Action.SIGN, CARD,
    ("ordonnance-2026-11-25.pdf", "Compte rendu de consultation.docx", "certificat.pdf"),
    sizes=(184_320, 1_342_177, 912), format="CMS / CAdES-B", certificate=CERTIFICATE, tries_left=3,
)  # fmt: skip
BATCH_NAMES = tuple(f"Feuille de soins n° {n:04d} - patient {n * 7919 % 10000:04d}.pdf" for n in range(1, 1001))
BATCH = replace(
    SIGN, asker=PROGRAM, subjects=BATCH_NAMES, sizes=tuple(20_000 + n * 311 for n in range(1000)),
    session_minutes=15, session_uses=20,
)  # fmt: skip
CHANGE = PinRequest(PinKind.CHANGE, PROGRAM, Action.CHANGE_PIN, CARD, tries_left=3)
UNBLOCK = PinRequest(PinKind.UNBLOCK, PROGRAM, Action.UNBLOCK_PIN, CARD)
HOSTILE_ASKER = Asker(
    "https://dmp.example.connexion-securisee." + "tres-longue-adresse-" * 8 + "evil.example:8443",
    "/home/user/.local/share/\u202eflatpak/" + "W" * 180,
    is_page=True,
)
HOSTILE_CARD = CardSummary(
    "9" * 40, "<b>W</b> & \u202eW" + "W" * 70, kind="CPF", reader="Reader\nTries left: 9 " + "M" * 90
)

QUESTIONS: dict[str, Question] = {
    "login": LOGIN,
    "login-for-a-program": replace(
        LOGIN, asker=PROGRAM, on_behalf_of="https://pro.sante.example", session_minutes=15, session_uses=20
    ),
    "sign": SIGN,
    "sign-last-try": replace(SIGN, tries_left=1, session_minutes=15, session_uses=20),
    "sign-hidden-values": replace(SIGN, action=Action.SIGN_RAW, format="RSA", sizes=()),
    "batch": BATCH,
    "verify": PinRequest(PinKind.VERIFY, PROGRAM, Action.VERIFY_PIN, replace(STRUCTURE, test=False), tries_left=2),
    "change": CHANGE,
    "change-last-try": replace(CHANGE, tries_left=1),
    "unblock": UNBLOCK,
    "unblock-last-try": replace(UNBLOCK, tries_left=1),
    "pad": replace(SIGN, on_pad=True),
    "pad-change-last-try": replace(CHANGE, on_pad=True, tries_left=1),
    "consent-page": ConfirmRequest(PAGE, ("identity", "authenticate"), datetime(2027, 2, 23, 18, tzinfo=UTC)),
    "consent-program": ConfirmRequest(PROGRAM, ABILITIES, remembered=True),
    "choose": CardChoice(PAGE, Action.SIGN, (CARD, STRUCTURE, replace(CARD, number="0077120033", reader=None))),
    "notice-type-on-reader": Notice(NoticeKind.TYPE_ON_READER, CARD, 3),
    "notice-no-tray": Notice(NoticeKind.NO_TRAY),
    "hostile-sign": replace(
        SIGN, asker=HOSTILE_ASKER, card=HOSTILE_CARD, tries_left=1, session_minutes=15,
        subjects=("W" * 300, "x.pdf 912 octets", "\u202efdp.exe"), format="F" * 100,
        certificate=CertificateSummary("I" + "W" * 200, datetime(2028, 6, 30, 12, tzinfo=UTC)),
    ),
    "hostile-choose": CardChoice(
        HOSTILE_ASKER, Action.AUTHENTICATE, (HOSTILE_CARD, CARD, replace(STRUCTURE, holder="A & B"))
    ),
}  # fmt: skip
