"""A question of every kind, as callers really ask them, and as hostile ones do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from agent.people.prompt import (
    ABILITIES,
    Action,
    Asker,
    AssertionSummary,
    CardChoice,
    CardSummary,
    CertificateSummary,
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
from agent.people.wire import Question

PAGE = Asker("https://www.dmp.example", "/usr/lib/firefox-esr/firefox-esr", is_page=True)
PROGRAM = Asker("/opt/cabinet-medical/bin/cabinet", "/opt/cabinet-medical/bin/cabinet")
VIHF = AssertionSummary(
    "VIHF 3.0",
    "direct",
    structure="499700002712005",
    patient="207058575627097",
    purpose="Accès normal",
    recipient="https://lps.dmp.example/si-dmp-server/v2/services",
)
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
    sizes=(184_320, 1_342_177, 912), format="PDF / PAdES-B", certificate=CERTIFICATE, tries_left=3,
)  # fmt: skip
BATCH_NAMES = tuple(f"Feuille de soins n° {n:04d} - patient {n * 7919 % 10000:04d}.pdf" for n in range(1, 1001))
BATCH = replace(
    SIGN, asker=PROGRAM, action=Action.SIGN_BATCH, subjects=BATCH_NAMES,
    sizes=tuple(20_000 + n * 311 for n in range(1000)), unseen=2,
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

FIREFOX = Asker("/usr/lib/firefox-esr/firefox-esr", "PKCS#11", owner="marie")
HOSTILE_PROGRAM = Asker("/home/user/.local/\u202eshare/" + "W" * 180, "PKCS#11", owner="root\nCard holder: X")
KEY_LOGIN = PinRequest(
    PinKind.USE, FIREFOX, Action.USE_AUTHENTICATION_KEY, CARD, ("CPS_PRIV_AUT",), tries_left=3, key="CPS_PRIV_AUT",
    for_login=True, session_minutes=15, session_uses=20,
)  # fmt: skip

SOFTWARE = CardSummary("S0A1B2C3D4E5F607", "CABINET MÉDICAL DES TILLEULS", kind="software")
SOFTWARE_SIGN = replace(SIGN, asker=PROGRAM, card=SOFTWARE, tries_left=None, passphrase=True)
SOFTWARE_CHANGE = PinRequest(PinKind.CHANGE, PROGRAM, Action.CHANGE_PIN, SOFTWARE, passphrase=True)
CONNECT = PinRequest(
    PinKind.USE, PROGRAM, Action.CONNECT, CARD, ("DMP", "lps2.dmp.gouv.fr"), tries_left=3, session_minutes=15,
    session_uses=20, stays_minutes=15,
)  # fmt: skip
KEPT = tuple(
    KeptCertificate(
        "CABINET MÉDICAL DES TILLEULS, 499700735741008", "AC IGC-SANTE ELEMENTAIRE ORGANISATIONS",
        datetime(2028, 6, 30, 12, tzinfo=UTC), role,
    )
    for role in ("AUTH_CLI", "SIGN")
)  # fmt: skip
ROOTLESS = replace(KEPT[0], issuer="AC DU CABINET", is_rootless=True)
IMPORT = DeedRequest(Deed.IMPORT, PROGRAM, "cabinet-tilleuls.p12", KEPT)

QUESTIONS: dict[str, Question] = {
    "login": LOGIN,
    "login-for-a-program": replace(
        LOGIN, asker=PROGRAM, on_behalf_of="https://pro.sante.example", session_minutes=15, session_uses=20
    ),
    "sign": SIGN,
    "sign-last-try": replace(SIGN, tries_left=1, session_minutes=15, session_uses=20),
    "sign-unseen": replace(SIGN, action=Action.SIGN_DIGESTS, format="XAdES-T", sizes=()),
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
    "consent-program": ConfirmRequest(PROGRAM, ABILITIES[:7], remembered=True),
    "consent-authentication-key": ConfirmRequest(
        FIREFOX, (Action.USE_AUTHENTICATION_KEY,), datetime(2027, 2, 23, 18, tzinfo=UTC), card=CARD, key="CPS_PRIV_AUT"
    ),
    "consent-signature-key": ConfirmRequest(
        HOSTILE_PROGRAM, (Action.USE_SIGNATURE_KEY,), card=TEST_CARD, key="CPS_PRIV_SIG"
    ),
    "key-login": KEY_LOGIN,
    "key-login-many": replace(KEY_LOGIN, subjects=("CPS_PRIV_AUT",) * 12, card=TEST_CARD, session_minutes=None),
    "key-signature": replace(
        KEY_LOGIN, action=Action.USE_SIGNATURE_KEY, key="CPS_PRIV_SIG", for_login=False, session_minutes=None,
        session_uses=None, tries_left=1,
    ),
    "key-signature-hostile": replace(
        KEY_LOGIN, asker=HOSTILE_PROGRAM, action=Action.USE_SIGNATURE_KEY, card=HOSTILE_CARD, for_login=False,
        key="<b>W</b>\u202e" + "W" * 90,
    ),
    "private-data": replace(
        KEY_LOGIN, action=Action.READ_PRIVATE_DATA, key="CPS_ACTIVITY_01_PS", for_login=False, session_minutes=None
    ),
    "situations": PinRequest(PinKind.USE, PAGE, Action.READ_SITUATIONS, CARD, tries_left=3),
    "connect": CONNECT,
    "connect-software": replace(
        CONNECT, card=SOFTWARE, tries_left=None, passphrase=True, session_minutes=15, session_uses=20
    ),
    "vihf": PinRequest(PinKind.USE, PAGE, Action.ASSERT, CARD, tries_left=3, format=None, assertion=VIHF),
    "vihf-hostile": PinRequest(
        PinKind.USE, HOSTILE_ASKER, Action.ASSERT, HOSTILE_CARD, tries_left=1,
        assertion=replace(VIHF, mode="air", professional="\u202e" + "W" * 300, reason="<b>W</b>\n" + "W" * 300),
    ),
    "choose": CardChoice(PAGE, Action.SIGN, (CARD, STRUCTURE, replace(CARD, number="0077120033", reader=None))),
    "software-sign": replace(SOFTWARE_SIGN, session_minutes=15, session_uses=20),
    "software-sign-no-code": replace(SOFTWARE_SIGN, passphrase=False, no_code=True),
    "software-login-test": replace(
        LOGIN, asker=PROGRAM, card=replace(SOFTWARE, test=True), on_behalf_of="https://pro.sante.example",
        tries_left=None, passphrase=True,
    ),
    "software-change": SOFTWARE_CHANGE,
    "deed-open-file": replace(IMPORT, certificates=(), opens=True),
    "deed-open-file-wrong": replace(IMPORT, certificates=(), opens=True, wrong=True),
    "deed-import": IMPORT,
    "deed-import-rootless": replace(IMPORT, certificates=(ROOTLESS,)),
    "deed-import-new-passphrase": replace(IMPORT, protects=True, test=True),
    "deed-remove": DeedRequest(Deed.REMOVE, PROGRAM, "", KEPT[:1]),
    "deed-order": DeedRequest(Deed.ORDER, PROGRAM, "ELEMENTAIRE ORG SIGN: CABINET MÉDICAL DES TILLEULS"),
    "deed-hostile": replace(
        IMPORT, asker=HOSTILE_ASKER, subject="\u202e21p." + "W" * 300,
        certificates=tuple(replace(KEPT[0], holder=f"{n} " + "W" * 200, role="<b>x</b>") for n in range(4)),
    ),
    "notice-type-on-reader": Notice(NoticeKind.TYPE_ON_READER, CARD, 3),
    "notice-card-pulled": Notice(NoticeKind.CARD_PULLED, CARD, program=FIREFOX.caller),
    "notice-no-tray": Notice(NoticeKind.NO_TRAY),
    "notice-compare-number": Notice(
        NoticeKind.COMPARE_NUMBER, login=NumberSummary("07", PROGRAM, "Pro Santé Connect", "810002673899")
    ),
    "notice-compare-number-hostile": Notice(
        NoticeKind.COMPARE_NUMBER, login=NumberSummary("42", HOSTILE_ASKER, "W" * 300, "8\u202e" * 60, on_phone=False)
    ),
    "hostile-sign": replace(
        SIGN, asker=HOSTILE_ASKER, card=HOSTILE_CARD, tries_left=1, session_minutes=15,
        subjects=("W" * 300, "x.pdf 912 octets", "\u202efdp.exe"), format="F" * 100,
        certificate=CertificateSummary("I" + "W" * 200, datetime(2028, 6, 30, 12, tzinfo=UTC)),
    ),
    "hostile-choose": CardChoice(
        HOSTILE_ASKER, Action.AUTHENTICATE, (HOSTILE_CARD, CARD, replace(STRUCTURE, holder="A & B"))
    ),
}  # fmt: skip
