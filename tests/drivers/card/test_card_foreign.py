"""What is made of a card by its ATR: foreign ones are named, doubtful ones are tried before anything is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from card_fakes import MemoryStore

from drivers.base import Deadline, Token
from drivers.card.family import open_card
from drivers.errors import CardUnknownError, CardUpdateUnfinishedError, NotCpsError
from drivers.virtual.chip import Chip
from drivers.virtual.foreign import ForeignChip
from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT, Personalisation
from drivers.virtual.store import open_card as open_virtual

CPS2TER = bytes.fromhex("3BAC00402A001225006480820212009000")
VARIANT = bytes.fromhex("3BAC00402A001225006480990399009000")


def open_in_reader(chip: Chip) -> Token:
    readers = VirtualReaders([chip])
    (state,) = readers.list_states()
    assert state.atr is not None
    return open_card(readers.open_slot(state.name), state.atr, MemoryStore(), Deadline(30))


@pytest.fixture
def personalised(tmp_path: Path) -> Callable[[Personalisation], Chip]:
    return lambda personalisation: open_virtual(tmp_path, personalisation)


@pytest.mark.parametrize(
    ("atr", "family", "certain"),
    [
        ("3B751300004409EA9000", "vitale", True),
        ("3B6500002063CB6A00", "bank", False),
        ("3BDB96FF80B1FE451F870031C164093772130F9000F4", "french-eid", True),
        ("3B6700002D201601789000", "health-other", True),
        ("3B6500000102030405", "unknown", True),
    ],
)
def test_foreign_cards_are_named_without_an_exchange(atr: str, family: str, certain: bool) -> None:
    chip = ForeignChip(bytes.fromhex(atr))
    chip.process = lambda _: pytest.fail("nothing is said to a card that is no CPS")  # type: ignore[method-assign]
    with pytest.raises(NotCpsError) as refused:
        open_in_reader(chip)
    assert (refused.value.family, refused.value.certain) == (family, certain)
    assert isinstance(refused.value, CardUnknownError)


@pytest.mark.parametrize("atr", [CPS2TER, VARIANT])
def test_a_card_that_works_is_not_refused_for_its_atr(atr: bytes, personalised: Callable[..., Chip]) -> None:
    with personalised(replace(DEFAULT, atr=atr)) as chip:
        assert open_in_reader(chip).number == DEFAULT.serial


def test_what_may_be_a_cps2ter_is_called_so_once_it_could_not_be_read() -> None:
    with pytest.raises(NotCpsError) as refused:
        open_in_reader(ForeignChip(CPS2TER))
    assert (refused.value.family, refused.value.certain) == ("CPS2ter", False)


def test_an_unfinished_update_stays_one(personalised: Callable[..., Chip]) -> None:
    with (
        personalised(replace(DEFAULT, atr=CPS2TER, update_record=b"")) as chip,
        pytest.raises(CardUpdateUnfinishedError),
    ):
        open_in_reader(chip)
