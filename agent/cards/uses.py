"""Every use of a card by a caller: look at the tries, ask the person, do it, and note what it took."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from agent.cards.card import Card, pin_keeper, pin_reader, require_usable, require_valid
from agent.cards.cards import Cards
from agent.cards.events import Event, EventBus, EventType
from agent.cards.slots import CardStuckError
from agent.people.prompt import Action, Asker, PinAnswer, PinKind, PinRequest, Prompt
from drivers.base import Deadline, Digest, KeyInfo, KeyRole, PinStatus
from drivers.errors import CardRemovedError, DriverError, PinBlockedError, PinUncertainError
from drivers.pin import Code

T = TypeVar("T")


@dataclass(slots=True)
class UseRecord:
    """What the journal will say of a use, filled in while it goes on; `code_given`: a person typed a code for it."""

    action: str
    card_number: str | None = None
    subject: str | None = None
    exchanges: int = 0
    code_given: bool = False


@dataclass(frozen=True, slots=True)
class UseRequest:
    """What a caller wants of a card. `card_number` None: the only card there is."""

    asker: Asker
    action: Action
    record: UseRecord
    subjects: tuple[str, ...] = ()
    format: str | None = None
    on_behalf_of: str | None = None
    card_number: str | None = None


class UnlockedKey:
    """A key whose code the person has just given; it signs until the `with` block of the code ends."""

    def __init__(self, uses: CardUses, card: Card, key: KeyInfo, code: Code, record: UseRecord) -> None:
        self.card = card
        self.info = key
        self._uses = uses
        self._code = code
        self._record = record

    async def sign(self, digest: Digest) -> bytes:
        """RSASSA-PKCS1-v1_5 over the digest. Raises PinWrongError, PinBlockedError, NotSupportedError, DriverError."""

        def work(deadline: Deadline) -> bytes:
            (signature,) = self.card.token.sign(self.info, [digest], self._code, deadline)
            return signature

        return await self._uses.run(self.card, work, self._record)


class CardUses:
    """The only way from a caller to a key or a code: no thread and no transaction is held while a person is asked."""

    def __init__(self, cards: Cards, prompt: Prompt, events: EventBus) -> None:
        self._cards = cards
        self._prompt = prompt
        self._events = events

    async def sign(self, request: UseRequest, role: KeyRole, make: Callable[[UnlockedKey], Awaitable[T]]) -> T:
        """Unlock the key of that role for `make`, with one code for all that it signs."""
        card, status = await self._look(request)
        key = card.key(role)
        require_valid(key)
        require_usable(key)
        with await self._ask(request, card, status, PinKind.USE) as answer:
            return await make(UnlockedKey(self, card, key, answer.code, request.record))

    async def verify_pin(self, request: UseRequest) -> PinStatus:
        """Have the person's code checked by the card."""
        card, status = await self._look(request)
        keeper = pin_keeper(card)
        with await self._ask(request, card, status, PinKind.VERIFY) as answer:
            await self.run(card, lambda deadline: keeper.verify_pin(answer.code, deadline), request.record)
        return await self._status_if_possible(card, request.record)

    async def change_pin(self, request: UseRequest) -> PinStatus:
        """Have the code replaced by one that the person chooses."""
        card, status = await self._look(request)
        keeper = pin_keeper(card)
        with await self._ask(request, card, status, PinKind.CHANGE) as answer:
            old, new = _both(answer)
            with _doubt():
                await self.run(card, lambda deadline: keeper.change_pin(old, new, deadline), request.record)
        return await self._changed(card, request.record)

    async def unblock_pin(self, request: UseRequest) -> PinStatus:
        """Have a new code set with the unblocking code."""
        card, status = await self._look(request)
        keeper = pin_keeper(card)
        with await self._ask(request, card, status, PinKind.UNBLOCK) as answer:
            puk, new = _both(answer)
            with _doubt():
                await self.run(card, lambda deadline: keeper.unblock_pin(puk, new, deadline), request.record)
        return await self._changed(card, request.record)

    async def read_pin_status(self, card: Card, record: UseRecord | None = None) -> PinStatus:
        """Ask the card for its tries; costs none."""
        return await self._run(card, pin_reader(card).read_pin_status, record, card.token.look_timeout_s)

    async def run(self, card: Card, work: Callable[[Deadline], T], record: UseRecord | None) -> T:
        """Do one thing on the card's thread and add its exchanges to the record."""
        return await self._run(card, work, record, card.token.use_timeout_s)

    async def _run(self, card: Card, work: Callable[[Deadline], T], record: UseRecord | None, timeout_s: float) -> T:
        result, exchanges = await self._cards.run(card, work, timeout_s)
        if record is not None:
            record.exchanges += exchanges
        return result

    async def _look(self, request: UseRequest) -> tuple[Card, PinStatus]:
        """Find the card and its tries. One exchanged a moment ago is looked at again: nobody was asked yet."""
        try:
            return await self._look_once(request)
        except CardRemovedError:
            return await self._look_once(request)

    async def _look_once(self, request: UseRequest) -> tuple[Card, PinStatus]:
        card = await self._cards.find(request.card_number)
        request.record.card_number = card.number
        return card, await self.read_pin_status(card, request.record)

    async def _ask(self, request: UseRequest, card: Card, status: PinStatus, kind: PinKind) -> PinAnswer:
        if status.blocked and kind is not PinKind.UNBLOCK:
            raise PinBlockedError
        answer = await self._prompt.ask_pin(
            PinRequest(
                kind=kind,
                asker=request.asker,
                action=request.action,
                card=card.summary(),
                subjects=request.subjects,
                format=request.format,
                tries_left=status.tries_left if kind is not PinKind.UNBLOCK else None,
                min_length=max(4, status.min_length),
                max_length=min(8, status.max_length),
                on_behalf_of=request.on_behalf_of,
            )
        )
        request.record.code_given = True
        return answer

    async def _changed(self, card: Card, record: UseRecord) -> PinStatus:
        self._events.publish(Event(EventType.PIN_CHANGED, card.reader, card.number))
        return await self._status_if_possible(card, record)

    async def _status_if_possible(self, card: Card, record: UseRecord) -> PinStatus:
        """What was asked is done: that the card cannot be looked at afterwards does not undo it."""
        try:
            return await self.read_pin_status(card, record)
        except DriverError:
            return PinStatus(tries_left=None, verified=False)


@contextmanager
def _doubt() -> Iterator[None]:
    """A new code that went to a card which did not answer may be the card's code by now."""
    try:
        yield
    except CardStuckError as error:
        raise PinUncertainError from error


def _both(answer: PinAnswer) -> tuple[Code, Code]:
    if answer.new_code is None:
        raise TypeError("the prompt gave one code where two were asked")
    return answer.code, answer.new_code
