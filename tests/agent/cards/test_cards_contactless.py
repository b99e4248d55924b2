"""A card that is held to a reader: what it cannot do is said in its own sentence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from agent.cards.card import Card, pin_keeper
from agent.cards.errors import KeyRefusedError
from agent.certificates.holder import Holder
from drivers.base import KeyInfo, KeyRole, Token
from drivers.errors import ContactlessError, NotSupportedError

NOBODY = Holder(None, False, None, None, None, None, None, None)


class TechnicalToken(Token):
    """One technical key, and no codes."""

    number, label = "99900020", "CPS"
    keys = (KeyInfo(b"\x01", "CPS_PRIV_TECH_AUT", KeyRole.AUTHENTICATION, b"", frozenset({"sha256"})),)

    def __init__(self, generation: str) -> None:
        self.generation = generation

    def sign(self, *_: object) -> bytes:  # type: ignore[override]
        raise NotImplementedError


def card(generation: str) -> Card:
    return Card("reader", TechnicalToken(generation), NOBODY, datetime(2030, 1, 1, tzinfo=UTC), test_token=False)


SIGNATURE: Callable[[Card], object] = lambda card: card.key(KeyRole.SIGNATURE)  # noqa: E731


@pytest.mark.parametrize("want", [SIGNATURE, pin_keeper])
def test_what_takes_an_inserted_card(want: Callable[[Card], object]) -> None:
    with pytest.raises(ContactlessError):
        want(card("CPS3-CL"))


def test_its_technical_key_is_there() -> None:
    assert card("CPS3-CL").key(KeyRole.AUTHENTICATION).label == "CPS_PRIV_TECH_AUT"


@pytest.mark.parametrize(("want", "error"), [(SIGNATURE, KeyRefusedError), (pin_keeper, NotSupportedError)])
def test_an_inserted_card_that_lacks_it_says_so(want: Callable[[Card], object], error: type[Exception]) -> None:
    with pytest.raises(error) as refused:
        want(card("CPS3"))
    assert not isinstance(refused.value, ContactlessError)
