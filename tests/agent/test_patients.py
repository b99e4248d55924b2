"""INS numbers: their form, their key, and what a person types."""

from __future__ import annotations

import pytest

from agent.patients import InsError, InsKeyError, PatientKind, check_ins, find_key, tidy_ins, write_patient


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
    with pytest.raises(InsKeyError, match="key"):
        check_ins(f"{number}{98 - key:02}", PatientKind.NIR)
    with pytest.raises(InsKeyError):
        check_ins(f"{number}{98 - key:02}", PatientKind.NIA)
    check_ins(f"{number}{98 - key:02}", PatientKind.TEST)


def test_every_slip_of_one_digit_and_every_swap_is_noticed() -> None:
    right = "269054958815780"
    for place in range(1, 13):
        for digit in set("0123456789") - {right[place]}:
            with pytest.raises(InsError):
                check_ins(right[:place] + digit + right[place + 1 :], PatientKind.NIR)
        swapped = right[:place] + right[place + 1] + right[place] + right[place + 2 :]
        if swapped != right:
            with pytest.raises(InsError):
                check_ins(swapped, PatientKind.NIR)


def test_corsica_counts_as_19_and_18() -> None:
    assert find_key("155102A100480") == find_key("1551019100480")
    assert find_key("155102B100480") == find_key("1551018100480")
    check_ins(f"155102A100480{find_key('155102A100480'):02}", PatientKind.NIR)


@pytest.mark.parametrize(
    "text", ["", "1" * 12, "1" * 14, "1" * 16, "155102C100480", "1551024610O48", "\u0661" * 13, "1" * 13 + "\n"]
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(InsError, match="13"):
        check_ins(text, PatientKind.TEST)


@pytest.mark.parametrize("text", ["0690549588157", "5690549588157", "6690549588157", "9690549588157"])
def test_no_person_has_such_a_first_digit(text: str) -> None:
    with pytest.raises(InsError):
        check_ins(text, PatientKind.NIR)
    check_ins(text, PatientKind.TEST)


@pytest.mark.parametrize(("month", "exists"), [("00", False), ("13", False), ("19", False), ("12", True), ("99", True)])
def test_months_are_taken_loosely(month: str, exists: bool) -> None:
    for first in "123478":
        text = f"{first}69{month}49588157"
        if exists:
            check_ins(text, PatientKind.NIR)
        else:
            with pytest.raises(InsError):
                check_ins(text, PatientKind.NIA)


@pytest.mark.parametrize("typed", ["2 69 05 49 588 157 80", " 2\u00a069\u202f05.49-588157 80\n", "269054958815780"])
def test_what_a_person_types(typed: str) -> None:
    assert tidy_ins(typed) == "269054958815780"
    assert tidy_ins("1 55 10 2a 100 480") == "155102A100480"


def test_the_form_of_hl7() -> None:
    assert write_patient("2070585756270", PatientKind.NIR) == "2070585756270^^^&1.2.250.1.213.1.4.8&ISO^NH"
    assert write_patient("2070585756270", PatientKind.TEST).split("&")[1].endswith("4.10")
