"""Answers without a person, for `--unattended`: codes go to test tokens only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from agent.people.prompt import (
    CardChoice,
    CardSummary,
    ConfirmRequest,
    Notice,
    PinAnswer,
    PinKind,
    PinRequest,
    Prompt,
    PromptUnavailableError,
)
from drivers.pin import ON_PAD, Pin

MAX_REMEMBERED = 100


def is_marked_test_token(card: CardSummary) -> bool:
    """Tell whether whoever built the request saw the card chain to this data folder's test root."""
    return card.test_token


class ScriptedPrompt(Prompt):
    """Give fixed codes to test tokens, none to any other, consent to everything; `asked` keeps the last questions."""

    def __init__(
        self,
        pin: str,
        puk: str,
        is_test_token: Callable[[CardSummary], bool] = is_marked_test_token,
        *,
        new_pin: str | None = None,
    ) -> None:
        self.asked: deque[PinRequest | ConfirmRequest | CardChoice | Notice] = deque(maxlen=MAX_REMEMBERED)
        self._pin = pin
        self._puk = puk
        self._new_pin = new_pin or pin
        self._is_test_token = is_test_token

    async def ask_pin(self, request: PinRequest) -> PinAnswer:
        """Give the code, or leave it to the reader. Raises PromptUnavailableError for any but a test token."""
        self.asked.append(request)
        if not self._is_test_token(request.card):
            raise PromptUnavailableError("scripted codes are for test tokens only")
        if request.on_pad:
            return PinAnswer(ON_PAD)
        code = self._puk if request.kind is PinKind.UNBLOCK else self._pin
        return PinAnswer(_pin(code), _pin(self._new_pin) if request.wants_new_code else None)

    async def confirm(self, request: ConfirmRequest) -> bool:
        """Agree."""
        self.asked.append(request)
        return True

    async def choose_card(self, choice: CardChoice) -> str:
        """Leave the choice to the caller: a script knows which card it means. Raises PromptUnavailableError."""
        self.asked.append(choice)
        raise PromptUnavailableError("a script names its card")

    async def inform(self, message: Notice) -> None:
        """Take note."""
        self.asked.append(message)


def _pin(digits: str) -> Pin:
    return Pin(bytearray(digits, "ascii"))
