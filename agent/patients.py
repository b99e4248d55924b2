"""Patients by their INS: a NIR or NIA of 13 characters, with or without its key of two digits (INSEE, RNIPP; ANS)."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

FORM: Final = re.compile(r"(\d{5}(?:\d\d|2[AB])\d{6})(\d\d)?", re.ASCII)
CORSICA: Final = str.maketrans({"A": "0", "B": "0"})
NOBODY: Final = re.compile(r"[0569]|...(?:00|1[3-9])", re.ASCII)
"""First digits and months of no number: 1 to 4 registered, 7 and 8 waiting; months past 12 mean an unknown one."""
BLANKS: Final = re.compile(r"[\s.\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}-]+")


class PatientKind(StrEnum):
    """Which domain an INS is of; `test`: numbers of no person."""

    NIR = "nir"
    NIA = "nia"
    TEST = "test"


OIDS: Final = {
    PatientKind.NIR: "1.2.250.1.213.1.4.8",
    PatientKind.NIA: "1.2.250.1.213.1.4.9",
    PatientKind.TEST: "1.2.250.1.213.1.4.10",
}


class InsError(ValueError):
    """No INS: the text has another form, or no person's number begins like that."""


class InsKeyError(InsError):
    """The two digits of the key do not fit the 13 before them: something was mistyped."""


def check_ins(text: str, kind: PatientKind) -> None:
    """Raise InsError for another form, InsKeyError for a wrong key. Of test numbers only the form is looked at."""
    found = FORM.fullmatch(text)
    if found is None:
        raise InsError("an INS has 13 characters and may have a key of two digits")
    if kind is PatientKind.TEST:
        return
    if NOBODY.match(text):
        raise InsError("of 13 characters, but no INS begins with this digit or has this month")
    if found[2] is not None and int(found[2]) != find_key(found[1]):
        raise InsKeyError("the key of the INS is wrong")


def find_key(number: str) -> int:
    """97 minus the rest of the number by 97; the departments 2A and 2B count as 19 and 18 (INSEE)."""
    offset = 1_000_000 * ("A" in number) + 2_000_000 * ("B" in number)
    return 97 - (int(number.translate(CORSICA)) - offset) % 97


def tidy_ins(text: str) -> str:
    """What a person typed or pasted, as the agent takes it: without the blanks between groups of digits."""
    return BLANKS.sub("", text).upper()


def write_patient(ins: str, kind: PatientKind) -> str:
    """An INS in the form of HL7's type CX."""
    return f"{ins}^^^&{OIDS[kind]}&ISO^NH"
