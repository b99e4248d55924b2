"""The table of problems: a row for every error of the drivers, and sentences that a person can act on."""

from __future__ import annotations

import inspect

import pytest

from agent.api.foreign_cards import NAMES, UNKNOWN
from agent.api.problems import INTERNAL, describe_problem, find_problem, whole_table
from agent.api.rows import set_french
from agent.api.views import trouble_view
from drivers import errors as drivers
from drivers.card.atr import CPS_FAMILY, CardFamily, not_cps
from drivers.errors import DriverError, NotCpsError, PinBlockedError, PinWrongError

TABLE = whole_table()

BASES = {drivers.RetriableError, drivers.PinError}
"""Nobody raises these: they only group others."""


def every_driver_error() -> list[type[DriverError]]:
    classes = (value for value in vars(drivers).values() if inspect.isclass(value))
    return [kind for kind in classes if issubclass(kind, DriverError) and kind not in BASES]


@pytest.mark.parametrize("kind", every_driver_error())
def test_every_error_of_the_drivers_has_a_row_of_its_own(kind: type[DriverError]) -> None:
    assert kind in TABLE
    assert TABLE[kind].status >= 400
    assert TABLE[kind].code != "internal-error"


@pytest.mark.parametrize("row", [*TABLE.values(), INTERNAL])
def test_every_sentence_is_one(row) -> None:
    for text in (row.detail, row.detail_fr):
        assert text[0].isupper()
        assert text.endswith(".")
        assert "  " not in text
    assert not any(f" {mark}" in row.detail_fr for mark in ";:!?»")


def test_spaces_of_french() -> None:
    assert set_french("« Oui » ; non : si ! quoi ?") == "«\u00a0Oui\u00a0»\u00a0; non\u00a0: si\u00a0! quoi\u00a0?"


@pytest.mark.parametrize(
    ("atr", "card", "english", "french"),
    [
        (
            "3B751300004409EA9000",
            "vitale",
            "A Vitale card is in the reader. Insert your CPS card instead.",
            "Une carte Vitale est dans le lecteur. Insérez votre carte CPS à la place.",
        ),
        (
            "3B6500002063CB6A00",
            "bank",
            "The card in the reader is probably a bank card. Insert your CPS card instead.",
            "La carte du lecteur est probablement une carte bancaire. Insérez votre carte CPS à la place.",
        ),
        (
            "3BDB96FF80B1FE451F870031C164093772130F9000F4",
            "french-eid",
            "A French identity card is in the reader. Insert your CPS card instead.",
            "Une carte d'identité est dans le lecteur. Insérez votre carte CPS à la place.",
        ),
        (
            "3BAC00402A001225006480820212009000",
            "cps2ter",
            (
                "The card in the reader is probably an old CPS2ter card, which cannot be used any more. "
                "Insert your CPS card instead."
            ),
            (
                "La carte du lecteur est probablement une ancienne carte CPS2ter, qui n'est plus utilisable. "
                "Insérez votre carte CPS à la place."
            ),
        ),
        (
            "3B00",
            "unknown",
            "A card that the agent does not know is in the reader. Insert your CPS card instead.",
            "Une carte que l'agent ne connaît pas est dans le lecteur. Insérez votre carte CPS à la place.",
        ),
    ],
)
def test_a_foreign_card_is_named(atr: str, card: str, english: str, french: str) -> None:
    error = not_cps(bytes.fromhex(atr))
    document = describe_problem(error)
    assert (document["status"], document["code"], document["layer"]) == (409, "card-unknown", "card")
    assert (document["card"], document["detail"], document["detailFr"]) == (card, english, french)
    assert trouble_view(error) == {"code": "card-unknown", "card": card, "detail": english, "detailFr": french}


def test_every_family_that_is_no_cps_has_a_name() -> None:
    assert set(NAMES) | {CardFamily.UNKNOWN} == set(CardFamily) - CPS_FAMILY | {CardFamily.CPS2TER}
    assert UNKNOWN not in NAMES.values()


def test_only_a_foreign_card_is_called_one() -> None:
    assert "card" not in describe_problem(PinBlockedError())
    assert find_problem(NotCpsError("vitale")) != find_problem(NotCpsError("bank"))


@pytest.mark.parametrize(("left", "told"), [(2, 2), (None, None)])
def test_tries_are_told_where_they_are_known(left: int | None, told: int | None) -> None:
    error = PinWrongError(tries_left=left)
    assert describe_problem(error).get("triesLeft") == told


def test_a_defect_tells_the_caller_nothing() -> None:
    assert find_problem(ZeroDivisionError("secret")) is INTERNAL
    assert "secret" not in str(describe_problem(ZeroDivisionError("secret")))


def test_no_two_problems_share_a_title() -> None:
    titles = [row.title for row in TABLE.values()]
    assert len(titles) == len(set(titles))
