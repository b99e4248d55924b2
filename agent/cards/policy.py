"""Which cards this agent takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.cards.card import Card, describe_card
from agent.cards.errors import KeyRefusedError
from drivers.base import Token


def _knows_none(_certificate_der: bytes) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class CardPolicy:
    """Which cards are taken: in unattended mode test tokens alone, since nobody is there to ask.

    `vouches_for`, `refutes` and `knows_issuer` look at a certificate: made by this folder's test root; damaged; of a
    chain to a root that is known here.
    """

    vouches_for: Callable[[bytes], bool]
    refutes: Callable[[bytes], bool]
    unattended: bool = False
    knows_issuer: Callable[[bytes], bool] = _knows_none

    def describe(self, reader: str, token: Token) -> Card:
        """Make a Card of the token. Raises KeyRefusedError for one that is not taken."""
        test_token = all(self.vouches_for(key.certificate_der) for key in token.keys)
        if self.unattended and not test_token:
            raise KeyRefusedError("unattended mode serves only test cards made in this data folder")
        return describe_card(reader, token, test_token=test_token)
