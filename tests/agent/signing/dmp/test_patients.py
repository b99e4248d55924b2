"""INS numbers: their form and their key."""

from __future__ import annotations

import pytest

from agent.signing.dmp.patients import check_ins, find_key, write_patient
from agent.signing.dmp.words import PatientKind


@pytest.mark.parametrize(
    ("number", "key"),
    [
        ("2690549588157", 80),  # the example that INSEE has published
        ("2070585756270", 97),  # of the DMP's samples
    ],
)
def test_keys(number: str, key: int) -> None:
    assert find_key(number) == key
    check_ins(f"{number}{key:02}", PatientKind.NIR)
    check_ins(number, PatientKind.NIA)
    with pytest.raises(ValueError, match="key"):
        check_ins(f"{number}{98 - key:02}", PatientKind.NIR)
    check_ins(f"{number}{98 - key:02}", PatientKind.TEST)


def test_corsica_counts_as_19_and_18() -> None:
    assert find_key("155102A100480") == find_key("1551019100480")
    assert find_key("155102B100480") == find_key("1551018100480")


@pytest.mark.parametrize(
    "text", ["", "1" * 12, "1" * 14, "1" * 16, "155102C100480", "1551024610O48", "\u0661" * 13, "1" * 13 + "\n"]
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="13"):
        check_ins(text, PatientKind.TEST)


def test_the_form_of_hl7() -> None:
    assert write_patient("2070585756270", PatientKind.NIR) == "2070585756270^^^&1.2.250.1.213.1.4.8&ISO^NH"
