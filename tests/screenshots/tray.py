"""Pictures of the tray in each condition, its menu, and every page of the panel, in both languages."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from support.display import Display, virtual_display
from support.fake_agent import FakeAgent, fake_agent, status
from support.trayer import DARK, LIGHT, click, crop, point_at, title_of, trayer, wait_for_icon
from support.waiting import wait_until

LANGUAGES = {"fr": "fr_FR.UTF-8", "en": "C.UTF-8"}
PAGES = ("card", "certificates", "means", "grants", "journal", "diagnosis", "errands", "settings")
CONDITIONS = (
    "no-reader", "no-card", "reading", "card-ready", "pin-session", "tries-low", "pin-blocked", "revoked", "expiring",
    "expired", "not-cps", "trouble",
)  # fmt: skip


def take(folder: Path) -> dict[str, list[str]]:
    """Write every picture into the folder; gives their names, as the other series do. Cut texts are the tests' business."""
    folder.mkdir(parents=True, exist_ok=True)
    with virtual_display() as display:
        for name, tint in (("dark", DARK), ("light", LIGHT)):
            for height in (18, 24, 50):
                take_icons(display, folder, f"{name}-{height}", tint, height)
        for language in LANGUAGES:
            take_menu(display, folder, language)
    for language in LANGUAGES:
        for scale in (1, 2):
            with virtual_display("1366x768x24") as display:
                take_pages(display, folder, language, scale)
    return {path.stem: [] for pattern in ("tray-*.png", "panel-*.png") for path in sorted(folder.glob(pattern))}


def full_status(condition: str) -> dict[str, Any]:
    """A desk in this condition, with a session where it is one."""
    ends = (datetime.now(UTC) + timedelta(minutes=12)).isoformat()
    session = {"id": "s", "caller": "https://dmp.example", "kind": "page", "cardNumber": "99213845", "endsAt": ends,
               "usesLeft": 5}  # fmt: skip
    return status(condition, sessions=[session] if condition == "pin-session" else [])


@contextlib.contextmanager
def tray_program(display: Display, data_dir: Path, language: str) -> Iterator[subprocess.Popen[bytes]]:
    command = (sys.executable, "-m", "agent", "tray", "--no-start", "--data-dir", str(data_dir))
    process = subprocess.Popen(
        command, env=display.environment | {"LC_ALL": LANGUAGES[language]}, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def take_icons(display: Display, folder: Path, name: str, tint: tuple[str, ...], height: int) -> None:
    """A strip of all conditions in one kind of panel."""
    pieces = []
    with (
        tempfile.TemporaryDirectory() as data,
        fake_agent(Path(data)) as agent,
        trayer(display, *tint, height=height),
        tray_program(display, Path(data), "en"),
    ):
        for condition in CONDITIONS:
            agent.tell(full_status(condition))
            pieces.append(_take_icon(display, folder, condition, condition == CONDITIONS[0]))
    subprocess.run(["convert", *map(str, pieces), "+append", str(folder / f"tray-icons-{name}.png")], check=True)
    for piece in pieces:
        piece.unlink()


_last = b""


def _take_icon(display: Display, folder: Path, condition: str, first: bool) -> Path:
    """Wait until the icon differs from the one before."""
    global _last  # noqa: PLW0603
    spot, path = wait_for_icon(display), folder / f".{condition}.png"
    if first:
        wait_until(lambda: "No card reader" in title_of(display, spot), "the first condition")
    before = _last
    wait_until(lambda: crop(display, spot, path, 2) != before, f"the icon of {condition}")
    _last = crop(display, spot, path, 2)
    return path


def take_menu(display: Display, folder: Path, language: str) -> None:
    """The menu and the tooltip during a session."""
    with tempfile.TemporaryDirectory() as data, fake_agent(Path(data)) as agent, trayer(display, *DARK):
        agent.status, agent.denials = full_status("pin-session"), 2
        with tray_program(display, Path(data), language):
            spot = wait_for_icon(display)
            wait_until(lambda: "DUPONT" in title_of(display, spot), "the holder's name")
            point_at(display, spot)
            _settle(display, folder / f"tray-tooltip-{language}.png")
            click(display, spot)
            display.find_window("^CPS$")
            _settle(display, folder / f"tray-menu-{language}.png")
            display.press("Escape")


def take_pages(display: Display, folder: Path, language: str, scale: int) -> None:
    """Every page of the panel."""
    with tempfile.TemporaryDirectory() as data, fake_agent(Path(data)) as agent:
        fill(agent)
        env = display.environment | {"LC_ALL": LANGUAGES[language], "QT_SCALE_FACTOR": str(scale)}
        for page in PAGES:
            command = (sys.executable, "-m", "agent", "panel", "--page", page, "--data-dir", data)
            process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
            window = display.find_window("Agent CPS|CPS agent")
            _settle(display, folder / f"panel-{page}-{language}-{scale * 100}.png", window)
            process.terminate()
            process.wait(10)


def _settle(display: Display, path: Path, window: str = "root") -> None:
    """Take pictures until two are alike: what is drawn has been drawn."""
    last = b""
    for _ in range(40):
        time.sleep(0.25)
        display.screenshot(path, window)
        now = path.read_bytes()
        if now == last:
            return
        last = now


def fill(agent: FakeAgent) -> None:
    """A desk with something on every page."""
    agent.status = status("card-ready")
    agent.denials = 2
    agent.answers |= {
        ("GET", "/v1/cards"): {"cards": [CARD, STRUCTURE_CARD]},
        ("GET", "/v1/certificates"): {"certificates": CERTIFICATES},
        ("GET", "/v1/means"): {"bearers": BEARERS},
        ("GET", "/v1/software-certificates"): KEPT,
        ("GET", "/v1/certificate-orders"): ORDERS,
        ("GET", "/v1/directory/99213845021"): DIRECTORY_ENTRY,
        ("GET", "/v1/grants"): {"grants": GRANTS},
        ("GET", "/v1/journal"): {"entries": JOURNAL},
    }


CARD = {
    "number": "99213845", "kind": "CPS", "generation": "CPS3", "access": "direct", "label": "CPS3v3", "test": True,
    "reader": "ACS ACR38U", "expiresAt": "2029-11-23T18:35:42Z", "pin": {"state": "ready", "triesLeft": 3},
    "holder": {
        "familyName": "DUPONT", "givenName": "Marie", "title": "Docteur", "nationalId": "899213845021",
        "rpps": "99213845021", "identifier": {"kind": "rpps", "value": "99213845021", "key": "wrong"},
        "category": {"code": "80", "label": "Carte de PS ou de Personnel de Santé de TEST"}, "profession": {"code": "10", "label": "Médecin"},
        "speciality": {"code": "SM26", "label": "Qualifié en Médecine Générale (SM)"}, "structure": None,
    },
}  # fmt: skip
STRUCTURE_CARD = {
    "number": "98765432", "kind": "CDE", "generation": "CPS3", "access": "direct", "label": "CPS3v3", "test": False,
    "reader": "Gemalto PC Twin Reader", "expiresAt": "2027-01-10T00:00:00Z", "pin": {"state": "blocked", "triesLeft": 0},
    "holder": {
        "familyName": None, "givenName": None, "title": None, "nationalId": None, "rpps": None, "profession": None,
        "speciality": None, "structure": {
            "name": "Maison de santé pluriprofessionnelle du Vieux-Port", "id": "1130012345", "kind": "finess",
            "number": "130012345", "key": "wrong",
        },
    },
}  # fmt: skip
KEPT = {
    "certificates": [
        {
            "id": digit * 32, "cardNumber": "S0A1B2C3D4E5F607", "label": "CABINET MÉDICAL DES TILLEULS", "current": True,
            "role": role, "lent": lent, "protection": protection, "state": state, "notAfter": until,
            "structure": {"name": "CABINET MÉDICAL DES TILLEULS", "id": "499700735741008"},
        }
        for digit, role, lent, protection, state, until in (
            ("0", "AUTH_CLI", "authentication", "key-store", "valid", "2028-06-30T12:00:00Z"),
            ("1", "SIGN", "signature", "passphrase", "expiring", "2026-12-24T12:00:00Z"),
            ("2", "CONF", None, "key-store", "valid", "2028-06-30T12:00:00Z"),
        )
    ],
    "damaged": ["f" * 32], "pairs": [],
}  # fmt: skip
ORDERS = {
    "orders": [
        {
            "id": "0123456789abcdef", "product": "elementaire-org-sign", "createdAt": "2026-11-20T09:00:00Z",
            "label": "Seal (signature in the structure's name) — Elementary",
            "labelFr": "Cachet (signature au nom de la structure) — Élémentaire",
            "subject": {
                "place": "Rhône (69)", "organisation": "CABINET MÉDICAL DES TILLEULS", "structureId": "499700735741008",
                "commonName": "LOGICIEL DE CABINET",
            },
        },
    ],
    "damaged": [],
    "renewals": [{"certificate": "1" * 32, "ordered": "0123456789abcdef", "product": "elementaire-org-sign"}],
}  # fmt: skip
_CENTRE = "Centre de santé Marie-Louise-Lachapelle, antenne du Vieux-Port"
DIRECTORY_ENTRY = {
    "rpps": "99213845021", "asOf": "2026-11-24T09:12:00Z", "stale": True, "found": True, "active": True,
    "names": [{"familyName": "DUPONT-LAJOIE", "givenName": "Marie", "title": "DR"}], "cardNumber": "99213845",
    "professions": [{"code": "10", "label": "Médecin"}],
    "specialities": [{"code": "SM26", "label": "Qualifié en Médecine Générale (SM)"}],
    "situations": [
        {"name": _CENTRE, "structureId": "1130012345", "finess": "130012345", "siret": None, "siren": None,
         "sector": {"code": "SA05", "label": "Centre de santé"}, "mode": {"code": "S", "label": "Salarié"}, "role": None},
    ],
    "mailboxes": [
        {"address": "marie.dupont-lajoie@medecin.mssante.fr", "kind": "PER", "structure": None, "service": None,
         "description": None, "kindLabel": "personal mailbox", "kindLabelFr": "boîte personnelle"},
        {"address": "logiciel@centre-lachapelle.mssante.fr", "kind": "APP", "structure": _CENTRE, "service": "Biologie",
         "description": None, "kindLabel": "mailbox of a program: it receives, and nobody may read it",
         "kindLabelFr": "boîte applicative : un logiciel la relève, personne ne la lit forcément"},
    ],
    "differences": [{"member": "familyName", "card": "DUPONT", "directory": "DUPONT-LAJOIE"}],
}  # fmt: skip
_ISSUER = "CN=TEST AC IGC-SANTE FORT PERSONNES,OU=IGC-SANTE TEST,OU=0002 187512751,O=ASIP-SANTE,C=FR"
_SUBJECT = "SN=DUPONT+GN=Marie+CN=899213845021,title=Médecin,C=FR"
CERTIFICATES = [
    {"cardNumber": "99213845", "role": role, "label": label, "subject": _SUBJECT, "issuer": _ISSUER,
     "serialNumber": "787BAF0ADD659570DA9C2CD0411B5604E6F54150", "notBefore": "2026-11-24T18:35:42Z",
     "notAfter": "2029-11-23T18:35:42Z", "state": state, "chain": chain, "revocation": revocation}
    for role, label, state, chain, revocation in (
        ("authentication", "CPS_PRIV_AUT", "unknown", ["…"], {"status": "unknown", "reason": "host-not-allowed"}),
        ("signature", "CPS_PRIV_SIG", "revoked", ["…"],
         {"status": "revoked", "revokedAt": "2026-11-20T10:00:00Z", "reason": "affiliation-changed"}),
    )
]  # fmt: skip
_NO_MEANS = {
    "number": None, "cardKind": None, "nationalId": None, "profession": None, "roles": [], "stateSince": None,
    "stateReason": None, "expiresAt": None, "present": False, "seenAt": None, "errand": None,
}  # fmt: skip
CARD_MEANS = {
    **_NO_MEANS, "kind": "card", "number": "99213845", "cardKind": "CPS", "nationalId": "899213845021", "state": "valid",
    "profession": {"code": "10", "label": "Médecin"}, "expiresAt": "2029-11-23T18:35:42Z", "present": True,
}  # fmt: skip
E_CPS = {**_NO_MEANS, "kind": "e-cps", "state": "unknown", "stateReason": "not-used-here"}
OLD_CARD = {
    **CARD_MEANS, "number": "99213701", "present": False, "seenAt": "2026-03-02T08:00:00Z", "errand": "card-renewal",
    "state": "expired", "expiresAt": "2026-10-01T00:00:00Z",
    "profession": {"code": "70", "label": "Masseur-Kinésithérapeute"},
}  # fmt: skip
SOFTWARE = {
    **_NO_MEANS, "kind": "software", "number": "S0123456789ABCDE", "roles": ["AUTH_CLI"], "state": "expiring",
    "expiresAt": "2026-12-20T00:00:00Z", "errand": "certificate-renewal",
}  # fmt: skip
_PERSON = {"kind": "person", "test": False, "rpps": "99213845021"}
BEARERS = [
    {**_PERSON, "id": "899213845021", "name": "Docteur Marie DUPONT", "test": True, "verdict": "enough",
     "means": [CARD_MEANS, E_CPS], "missing": []},
    {**_PERSON, "id": "899213845999", "name": "Masseur-Kinésithérapeute Jean-Baptiste DE LA VILLARDIÈRE",
     "rpps": "99213845999", "verdict": "unknown", "means": [OLD_CARD, E_CPS],
     "missing": [{"what": "card", "reason": "expired", "errand": "card-renewal"},
                 {"what": "e-cps", "reason": "unknown", "errand": "e-cps-activate"}]},
    {"kind": "structure", "id": "1130012345", "name": "Maison de santé pluriprofessionnelle du Vieux-Port", "rpps": None,
     "test": False, "verdict": "missing", "means": [SOFTWARE],
     "missing": [{"what": "SIGN", "reason": "not-seen-here", "errand": "certificate-order"}]},
]  # fmt: skip
GRANTS = [
    {"id": "1", "caller": "https://dossier-medical.exemple.fr", "kind": "page", "untilStop": False,
     "abilities": ["identity", "authenticate", "sign"], "createdAt": "2026-10-02T08:00:00Z",
     "expiresAt": "2026-12-31T00:00:00Z"},
    {"id": "2", "caller": "/opt/cabinet/bin/logiciel-de-cabinet", "kind": "program", "untilStop": True,
     "abilities": ["sign-raw", "events"], "createdAt": "2026-11-20T09:12:00Z", "expiresAt": "2026-12-31T00:00:00Z"},
]  # fmt: skip
JOURNAL = [
    {"id": n, "at": at, "lastAt": at, "count": count, "action": action, "caller": caller, "through": None,
     "outcome": outcome, "cardNumber": "99213845", "subject": subject, "exchanges": 1, "durationMs": 5}
    for n, (at, action, caller, outcome, subject, count) in enumerate((
        ("2026-11-25T10:15:00Z", "sign", "https://dossier-medical.exemple.fr", "ok", "ordonnance.pdf", 1),
        ("2026-11-25T10:14:10Z", "authenticate", "https://dossier-medical.exemple.fr", "ok",
         "https://dossier-medical.exemple.fr", 1),
        ("2026-11-25T10:14:00Z", "verify-pin", "/usr/bin/cps-agent", "pin-wrong", None, 2),
        ("2026-11-24T16:40:00Z", "grant", "https://xn--dmp-exmple-c4a.fr", "grant-refused", None, 1),
        ("2026-11-24T16:00:00Z", "read-card", "cps-agent", "ok", None, 1),
    ))
]  # fmt: skip


if __name__ == "__main__":
    take(Path(sys.argv[1]))
