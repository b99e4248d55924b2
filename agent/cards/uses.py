"""Every use of a card by a caller: look at the tries, ask the person, do it, and note what it took."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from agent.access.callers import Caller, CallerKind
from agent.cards.asking import CardAsker, CodeQuestion
from agent.cards.card import Card, data_reader, pin_keeper, pin_reader, require_usable, require_valid
from agent.cards.cards import Cards
from agent.cards.errors import CertificateRevokedError, KeyBusyError, PassphraseWrongError
from agent.cards.events import Event, EventType
from agent.cards.sessions import PinSessions, SessionOffer
from agent.cards.slots import CardStuckError
from agent.people.prompt import (
    Action,
    Asker,
    AssertionSummary,
    PinAnswer,
    PinKind,
    PromptRefusedError,
    PromptTimeoutError,
    StatementSummary,
)
from drivers.base import DataEntry, DataObject, DataReader, Deadline, Digest, KeyInfo, KeyRole, PinStatus, Wanted
from drivers.errors import (
    CardBusyError,
    CardRemovedError,
    ContactlessError,
    DriverError,
    NotSupportedError,
    PadCancelledError,
    PinBlockedError,
    PinError,
    PinUncertainError,
    PinWrongError,
)
from drivers.pin import ON_PAD, Code, Typed

T = TypeVar("T")

SESSION_ACTIONS = frozenset(
    {
        Action.AUTHENTICATE,
        Action.CONNECT,
        Action.SIGN,
        Action.VERIFY_PIN,
        Action.READ_SITUATIONS,
        Action.USE_AUTHENTICATION_KEY,
    }
)
"""What a kept code may be used for, or be kept after. Not raw signatures, nor those that a program makes by PKCS#11
with the signature key: nobody can look at them."""


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
    """What a caller wants of a card. `card_number` None: the only card there is, or the one that the person chooses.

    `card`: the very card, as long as it is there. `key`: the label to show of what is used by PKCS#11. `sample`: a
    digest like those to be signed: a key that cannot sign it is refused before a code is asked. `admits` raises for a
    card that will not do, likewise. `unseen`: of how many subjects the caller made the hash. `assertion`: what is said
    of whom; `statement`: what is signed besides the documents; `stays_minutes`: how long what is opened may stay open.
    """

    asker: Asker
    action: Action
    record: UseRecord
    subjects: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    format: str | None = None
    on_behalf_of: str | None = None
    card_number: str | None = None
    card: Card | None = None
    key: str | None = None
    sample: Digest | None = None
    unseen: int = 0
    admits: Callable[[Card], None] | None = None
    assertion: AssertionSummary | None = None
    statement: StatementSummary | None = None
    stays_minutes: int | None = None

    @property
    def caller(self) -> Caller:
        """The caller as the owner of a PIN session."""
        kind = CallerKind.PAGE if self.asker.is_page else CallerKind.PROGRAM
        return Caller(kind, self.asker.caller, self.asker.through)

    @property
    def may_use_session(self) -> bool:
        """A program that speaks for a site is asked afresh each time; so is who has the person sign as something."""
        binds = self.statement is not None and (self.statement.role or self.statement.policy)
        return self.action in SESSION_ACTIONS and self.on_behalf_of is None and not binds


class UnlockedKey:
    """A key whose code the person has just given, or types on the reader; it signs until the `with` block ends.

    The code is None for a key that needs none: the person has said yes to this use.
    """

    def __init__(self, uses: CardUses, card: Card, key: KeyInfo, code: Code | None, request: UseRequest) -> None:
        self.card = card
        self.info = key
        self._uses = uses
        self._code = code
        self._request = request

    async def sign(self, digest: Digest) -> bytes:
        """RSASSA-PKCS1-v1_5 over the digest. Raises PinWrongError, PinBlockedError, NotSupportedError, DriverError."""
        (signature,) = await self.sign_all([digest])
        return signature

    async def sign_all(self, digests: Sequence[Digest]) -> list[bytes]:
        """Sign all in slices that leave other programs their turn; on a PIN pad each slice is typed for anew."""
        signatures: list[bytes] = []
        while len(signatures) < len(digests):
            signatures += await self.sign_some(digests[len(signatures) :])
        return signatures

    async def sign_some(self, digests: Sequence[Digest]) -> list[bytes]:
        """Sign the first of them, as many as one slice takes, and at least one."""

        def work(deadline: Deadline) -> list[bytes]:
            return self.card.token.sign(self.info, digests, self._code, deadline)

        return await self._uses.use_code(self.card, work, self._code, self._request)

    async def read_data(self, wanted: Wanted) -> tuple[DataObject, ...]:
        """Read data objects, private ones too, with the same code. Raises NotSupportedError, and what sign raises."""
        reader = data_reader(self.card)

        def work(deadline: Deadline) -> tuple[DataObject, ...]:
            return reader.read_data_objects(self._code, deadline, wanted)

        return await self._uses.use_code(self.card, work, self._code, self._request, reader.data_timeout_s)


class CardUses:
    """The only way from a caller to a key or a code: no thread and no transaction is held while a person is asked.

    `is_revoked`: whether a certificate is known to be revoked, which is never waited for.
    """

    def __init__(
        self, cards: Cards, asker: CardAsker, sessions: PinSessions, is_revoked: Callable[[bytes], bool]
    ) -> None:
        self._cards = cards
        self._asker = asker
        self._events = cards.events
        self._sessions = sessions
        self._is_revoked = is_revoked

    async def sign(self, request: UseRequest, role: KeyRole, make: Callable[[UnlockedKey], Awaitable[T]]) -> T:
        """Unlock the key of that role for `make`, with one code for all that it signs."""
        card, status = await self._look(request)
        if request.admits is not None:
            request.admits(card)
        key = card.key(role)
        require_valid(key)
        if self._is_revoked(key.certificate_der):
            raise CertificateRevokedError
        require_usable(key)
        if request.sample is not None and not key.signs(request.sample):
            raise NotSupportedError("this key does not sign like that")
        async with self._unlock(request, card, status, key) as code:
            return await make(UnlockedKey(self, card, key, code, request))

    async def read_data(self, request: UseRequest, wanted: Wanted) -> tuple[Card, tuple[DataObject, ...]]:
        """Read data objects, private ones too, of the card that is found; its public ones may come from the cache."""
        card, status = await self._look(request)
        reader = data_reader(card)
        async with self._unlock(request, card, status) as code:
            return card, await self.use_code(
                card,
                lambda deadline: reader.read_data_objects(code, deadline, wanted),
                code,
                request,
                reader.data_timeout_s,
            )

    async def list_data(self, card: Card, reader: DataReader) -> tuple[DataEntry, ...]:
        """What data objects the card has; costs exchanges once."""
        return await self._run(card, reader.list_data_objects, None, reader.data_timeout_s)

    async def read_public_data(self, card: Card, reader: DataReader, wanted: Wanted) -> tuple[DataObject, ...]:
        """Read data objects that need no code."""
        return await self._run(
            card, lambda deadline: reader.read_data_objects(None, deadline, wanted), None, reader.data_timeout_s
        )

    async def verify_pin(self, request: UseRequest) -> PinStatus:
        """Have the person's code checked by the card."""
        card, status = await self._look(request)
        keeper = pin_keeper(card)
        offer = self._offer(request)
        with await self._ask(request, CodeQuestion(PinKind.VERIFY, card, status, offer=offer)) as answer:
            code = _one(answer)
            await self.use_code(card, lambda deadline: keeper.verify_pin(code, deadline), code, request)
            after = await self._status_if_possible(card, request.record)
            self._keep(offer, card, after, answer)
        return after

    async def change_pin(self, request: UseRequest) -> PinStatus:
        """Have the code replaced by one that the person chooses."""
        card, status = await self._look(request)
        keeper = pin_keeper(card)
        with await self._ask(request, CodeQuestion(PinKind.CHANGE, card, status)) as answer:
            old, new = _both(answer)
            with _doubt():
                await self.use_code(card, lambda deadline: keeper.change_pin(old, new, deadline), old, request)
        return await self._changed(card, request.record)

    async def unblock_pin(self, request: UseRequest) -> PinStatus:
        """Have a new code set with the unblocking code."""
        card, status = await self._look(request)
        keeper = pin_keeper(card)
        with await self._ask(request, CodeQuestion(PinKind.UNBLOCK, card, status)) as answer:
            puk, new = _both(answer)
            with _doubt():
                await self.use_code(card, lambda deadline: keeper.unblock_pin(puk, new, deadline), puk, request)
        return await self._changed(card, request.record)

    async def read_pin_status(self, card: Card, record: UseRecord | None = None) -> PinStatus:
        """Ask the card for its tries; costs none. Software keys count none."""
        if card.is_software:
            return PinStatus(tries_left=None, verified=False)
        return await self._run(card, pin_reader(card).read_pin_status, record, card.token.look_timeout_s)

    async def use_code(
        self,
        card: Card,
        work: Callable[[Deadline], T],
        code: Code | None,
        request: UseRequest,
        timeout_s: float | None = None,
    ) -> T:
        """Do one thing for which a code goes to the card, and learn from the card's refusal."""
        on_pad = code is ON_PAD
        timeout_s = card.token.pad_timeout_s if on_pad else timeout_s or card.token.use_timeout_s
        try:
            async with self._asker.typing_on_reader(card, wanted=on_pad):
                return await self._run(card, work, request.record, timeout_s)
        except PadCancelledError:
            self._asker.note_refusal(request)
            raise
        except PinError as error:
            self._note_refusal(card, error, code)
            if card.is_software and isinstance(error, PinWrongError):
                raise PassphraseWrongError from error
            raise

    async def _run(self, card: Card, work: Callable[[Deadline], T], record: UseRecord | None, timeout_s: float) -> T:
        try:
            result, exchanges = await self._cards.run(card, work, timeout_s)
        except CardBusyError as error:
            if card.is_software:
                raise KeyBusyError from error
            raise
        if record is not None:
            record.exchanges += exchanges
        return result

    def _note_refusal(self, card: Card, error: PinError, code: Code | None) -> None:
        if isinstance(code, Typed):
            self._sessions.refuse(code)
        if error.tries_left is not None:
            self._cards.note_pin(card, PinStatus(error.tries_left, verified=False))

    async def _look(self, request: UseRequest) -> tuple[Card, PinStatus]:
        """Find the card and its tries. One exchanged a moment ago is looked at again: nobody was asked yet."""
        try:
            return await self._look_once(request)
        except CardRemovedError:
            if request.card is not None:
                raise
            return await self._look_once(request)

    async def _look_once(self, request: UseRequest) -> tuple[Card, PinStatus]:
        with self._heed_refusal(request):
            card = request.card or await self._asker.find_card(request.asker, request.action, request.card_number)
        request.record.card_number = card.number
        if card.is_contactless:
            raise ContactlessError
        return card, await self.read_pin_status(card, request.record)

    @asynccontextmanager
    async def _unlock(
        self, request: UseRequest, card: Card, status: PinStatus, key: KeyInfo | None = None
    ) -> AsyncIterator[Code | None]:
        """Give the code of the caller's session, or one that the person types now and may let the agent keep."""
        if request.may_use_session and (key is None or key.needs_code) and not status.blocked:
            kept = self._sessions.borrow(request.caller, card, status.tries_left, max(1, len(request.subjects)))
            if kept is not None:
                request.record.code_given = True  # earlier, but it is a person's code that goes to the card
                with self._sessions.use(kept):
                    yield kept
                return
        offer = self._offer(request)
        with await self._ask(request, CodeQuestion(PinKind.USE, card, status, key, offer)) as answer:
            yield answer.code
            self._keep(offer, card, status, answer)

    def _offer(self, request: UseRequest) -> SessionOffer | None:
        return self._sessions.offer_to(request.caller) if request.may_use_session else None

    async def _ask(self, request: UseRequest, question: CodeQuestion) -> PinAnswer:
        if question.status.blocked and question.kind is not PinKind.UNBLOCK:
            raise PinBlockedError
        with self._heed_refusal(request):
            answer = await self._asker.ask_code(request, question)
        request.record.code_given = True
        return answer

    @contextmanager
    def _heed_refusal(self, request: UseRequest) -> Iterator[None]:
        """Whoever is refused something keeps no code for something less."""
        try:
            yield
        except PromptTimeoutError:
            raise  # nobody said no
        except PromptRefusedError:
            self._sessions.note_refusal(request.caller)
            raise

    def _keep(self, offer: SessionOffer | None, card: Card, status: PinStatus, answer: PinAnswer) -> None:
        """Open a session with the code that the card took, if the person ticked it."""
        if answer.session and offer is not None and isinstance(answer.code, Typed):
            self._sessions.open(offer, card, answer.code.hand_over(), status.tries_left)

    async def _changed(self, card: Card, record: UseRecord) -> PinStatus:
        self._sessions.note_new_code(card)
        self._events.publish(Event(EventType.PIN_CHANGED, card.reader or None, card.number))
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


def _one(answer: PinAnswer) -> Code:
    if answer.code is None:
        raise TypeError("the prompt gave no code where one was asked")
    return answer.code


def _both(answer: PinAnswer) -> tuple[Code, Code]:
    if answer.code is ON_PAD:
        return ON_PAD, ON_PAD
    if answer.new_code is None:
        raise TypeError("the prompt gave one code where two were asked")
    return _one(answer), answer.new_code
