"""Patients by their INS: a NIR or NIA of 13 characters, with or without its key of two digits."""

from __future__ import annotations

import re
from typing import Final

from agent.signing.dmp.words import PatientKind

FORM: Final = re.compile(r"(\d{5}(?:\d\d|2[AB])\d{6})(\d\d)?", re.ASCII)
CORSICA: Final = str.maketrans({"A": "0", "B": "0"})
OIDS: Final = {
    PatientKind.NIR: "1.2.250.1.213.1.4.8",
    PatientKind.NIA: "1.2.250.1.213.1.4.9",
    PatientKind.TEST: "1.2.250.1.213.1.4.10",
}


def check_ins(text: str, kind: PatientKind) -> None:
    """Raise ValueError for another form, or a wrong key; test numbers are not judged by their key."""
    found = FORM.fullmatch(text)
    if found is None:
        raise ValueError("an INS has 13 characters and may have a key of two digits")
    if kind is not PatientKind.TEST and found[2] is not None and int(found[2]) != find_key(found[1]):
        raise ValueError("the key of the INS is wrong")


def find_key(number: str) -> int:
    """97 minus the rest of the number by 97; the departments 2A and 2B count as 19 and 18 (INSEE)."""
    offset = 1_000_000 * ("A" in number) + 2_000_000 * ("B" in number)
    return 97 - (int(number.translate(CORSICA)) - offset) % 97


def write_patient(ins: str, kind: PatientKind) -> str:
    """An INS in the form of HL7's type CX."""
    return f"{ins}^^^&{OIDS[kind]}&ISO^NH"
