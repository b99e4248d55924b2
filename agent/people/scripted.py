"""Answers without a person, for `--unattended`: codes go to test tokens only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from agent.people.prompt import (
    CardChoice,
    CardSummary,
    ConfirmRequest,
    DeedRequest,
    Notice,
    PinAnswer,
    PinKind,
    PinRequest,
    Prompt,
    PromptUnavailableError,
)
from drivers.pin import ON_PAD, Passphrase, Pin

MAX_REMEMBERED = 100


def is_marked_test_token(card: CardSummary) -> bool:
    """Tell whether whoever built the request saw the card chain to this data folder's test root."""
    return card.test_token


class ScriptedPrompt(Prompt):
    """Give fixed codes and consents for test tokens, for no other one; `asked` keeps the last questions."""

    def __init__(
        self,
        pin: str,
        puk: str,
        is_test_token: Callable[[CardSummary], bool] = is_marked_test_token,
        *,
        new_pin: str | None = None,
    ) -> None:
        self.asked: deque[PinRequest | ConfirmRequest | CardChoice | DeedRequest | Notice] = deque(
            maxlen=MAX_REMEMBERED
        )
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
        if request.no_code:
            return PinAnswer(None)
        if request.passphrase:
            return PinAnswer(_passphrase(self._pin), _passphrase(self._new_pin) if request.wants_new_code else None)
        code = self._puk if request.kind is PinKind.UNBLOCK else self._pin
        return PinAnswer(_pin(code), _pin(self._new_pin) if request.wants_new_code else None)

    async def confirm(self, request: ConfirmRequest) -> bool:
        """Agree. Raises PromptUnavailableError where it concerns a card that is no test token."""
        self.asked.append(request)
        if request.card is not None and not self._is_test_token(request.card):
            raise PromptUnavailableError("scripted consents are for test tokens only")
        return True

    async def choose_card(self, choice: CardChoice) -> str:
        """Leave the choice to the caller: a script knows which card it means. Raises PromptUnavailableError."""
        self.asked.append(choice)
        raise PromptUnavailableError("a script names its card")

    async def agree(self, request: DeedRequest) -> Passphrase | None:
        """Agree; the passphrase is the code. What a file holds is known once it is open: see there what is taken.

        Raises PromptUnavailableError once the script's passphrase has proved wrong.
        """
        self.asked.append(request)
        if request.wrong:
            raise PromptUnavailableError("the script has no other passphrase")
        return _passphrase(self._pin) if request.wants_passphrase else None

    async def inform(self, message: Notice) -> None:
        """Take note."""
        self.asked.append(message)


def _pin(digits: str) -> Pin:
    return Pin(bytearray(digits, "ascii"))


def _passphrase(text: str) -> Passphrase:
    return Passphrase(bytearray(text, "utf-8"))
