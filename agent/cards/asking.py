"""Questions to the person about a card: which one, its code, and the window to read while a code is typed elsewhere.

A question ends with the card that it is about: pull it, and the window closes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from agent.cards.card import Card, certificate_summary, is_for_login
from agent.cards.cards import Cards
from agent.cards.errors import SeveralCardsError
from agent.people.prompt import (
    CARD_GONE,
    Action,
    Asker,
    CardChoice,
    Notice,
    NoticeKind,
    PinAnswer,
    PinKind,
    PinRequest,
    Prompt,
    PromptError,
    PromptRefusedError,
)
from drivers.base import KeyInfo, PinStatus
from drivers.errors import CardRemovedError

if TYPE_CHECKING:
    from agent.cards.sessions import SessionOffer
    from agent.cards.uses import UseRequest

T = TypeVar("T")

SIGNING = frozenset({Action.SIGN, Action.SIGN_DIGESTS, Action.SIGN_BATCH, Action.SIGN_RAW, Action.ASSERT})


@dataclass(frozen=True, slots=True)
class CodeQuestion:
    """Which code is wanted, and what for. `offer`: the PIN session that the person may choose."""

    kind: PinKind
    card: Card
    status: PinStatus
    key: KeyInfo | None = None
    offer: SessionOffer | None = None


class CardAsker:
    """Ask through the prompt, for as long as the card stays where it is."""

    def __init__(self, cards: Cards, prompt: Prompt) -> None:
        self._cards = cards
        self._prompt = prompt

    async def find_card(self, asker: Asker, action: Action, number: str | None) -> Card:
        """The card of that number, the only one, or the one that the person chooses.

        Raises what Cards.find raises; SeveralCardsError where nobody can be asked; PromptRefusedError.
        """
        try:
            return await self._cards.find(number)
        except SeveralCardsError:
            if number is not None:
                raise
            return await self._cards.find(await self._choose(asker, action))

    async def _choose(self, asker: Asker, action: Action) -> str:
        cards = await self._cards.list_cards()
        if len({card.number for card in cards}) != len(cards):
            raise SeveralCardsError
        choice = CardChoice(asker, action, tuple(card.summary() for card in cards))
        try:
            return await self._until_gone(cards, self._prompt.choose_card(choice))
        except PromptRefusedError:
            raise
        except PromptError as error:
            raise SeveralCardsError from error

    async def ask_code(self, request: UseRequest, question: CodeQuestion) -> PinAnswer:
        """Ask for the code, or for leave to have it typed on the reader. Raises PromptError, CardRemovedError."""
        return await self._until_gone([question.card], self._prompt.ask_pin(_pin_request(request, question)))

    def note_refusal(self, request: UseRequest) -> None:
        """The person gave up at the reader, which is a no like one in the window."""
        self._prompt.note_refusal(request.asker, request.action)

    @asynccontextmanager
    async def typing_on_reader(self, card: Card, *, wanted: bool) -> AsyncIterator[None]:
        """Tell the person to type on the reader, as long as the block lasts. Nothing depends on the window."""
        if not wanted:
            yield
            return
        notice = Notice(NoticeKind.TYPE_ON_READER, card.summary())
        telling = asyncio.create_task(self._tell(notice))
        try:
            yield
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _tell(self, notice: Notice) -> None:
        with contextlib.suppress(PromptError):
            await self._prompt.inform(notice)

    async def _until_gone(self, cards: list[Card], question: Coroutine[Any, Any, T]) -> T:
        """Wait for the answer, or take the question back once one of the cards has left its reader."""
        asking = asyncio.ensure_future(question)
        gone = [asyncio.ensure_future(self._cards.wait_gone(card)) for card in cards]
        answered = False
        try:
            await asyncio.wait([asking, *gone], return_when=asyncio.FIRST_COMPLETED)
            answered = asking.done()
        finally:
            why = CARD_GONE if any(leaving.done() for leaving in gone) else None
            for leaving in gone:
                leaving.cancel()
            if not answered:
                asking.add_done_callback(_discard)  # also when this task is cancelled once more while the window closes
                asking.cancel(why)
                await asyncio.gather(asking, return_exceptions=True)
        if not answered:
            raise CardRemovedError
        return asking.result()


def _pin_request(request: UseRequest, question: CodeQuestion) -> PinRequest:
    card, status, offer = question.card, question.status, question.offer
    no_code = question.key is not None and not question.key.needs_code
    if card.token.on_pad or no_code:
        offer = None  # there is no code here to keep
    return PinRequest(
        kind=question.kind,
        asker=request.asker,
        action=request.action,
        card=card.summary(),
        subjects=request.subjects,
        sizes=request.sizes,
        format=request.format,
        certificate=certificate_summary(question.key) if question.key and request.action in SIGNING else None,
        tries_left=status.tries_left if question.kind is not PinKind.UNBLOCK else None,
        min_length=max(4, status.min_length),
        max_length=min(8, status.max_length),
        on_behalf_of=request.on_behalf_of,
        session_minutes=offer.terms.minutes if offer else None,
        session_uses=offer.terms.uses if offer else None,
        on_pad=card.token.on_pad,
        passphrase=card.is_software and not no_code,
        no_code=no_code,
        key=request.key,
        for_login=question.key is not None and is_for_login(question.key),
        unseen=request.unseen,
        assertion=request.assertion,
        statement=request.statement,
        stays_minutes=request.stays_minutes,
    )


def _discard(asking: asyncio.Future[Any]) -> None:
    """Wipe a code that came in the very moment in which nobody waited for it any more."""
    if not asking.cancelled() and asking.exception() is None and isinstance(answer := asking.result(), PinAnswer):
        answer.wipe()
