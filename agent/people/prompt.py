"""The seam between the agent and the person at the workstation: five calls, and the values that travel.

Text in these values comes from cards, pages and programs: it is hostile until `plain_text` has seen it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

from drivers.pin import Code, Passphrase, Typed

PROMPT_TIMEOUT_S: Final = 120.0
PUK_LENGTH: Final = 8  # "code de déblocage": 8 digits on every card of the family
PASSPHRASE_LENGTHS: Final = (1, 128)
"""In characters. Those of a file are whatever its maker took; for a new one a length is advised, none is forced."""
SOFTWARE: Final = "software"
"""The kind of a CardSummary that stands for a software certificate: the words say so, and no reader is named."""
CARD_GONE: Final = "the card is gone"
"""With this message a question is cancelled that the person has ended by pulling the card: no caller took it back."""
ABILITIES: Final = (
    "identity", "authenticate", "sign", "sign-raw", "batch", "gateway", "events",
    "use-authentication-key", "use-signature-key", "read-private-data",
)  # fmt: skip


class PromptError(Exception):
    """The person was not asked, or did not agree."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class PromptRefusedError(PromptError):
    """The person said no, or closed the window."""


class PromptTimeoutError(PromptRefusedError):
    """Nobody answered in time: refused, but nobody said no."""


class PromptUnavailableError(PromptError):
    """There is no way to ask: no display, no terminal, or the dialog died."""


class DeskBusyError(PromptError):
    """Too many questions already wait for the person."""


class PinKind(StrEnum):
    """Which codes are asked: the PIN (use, verify), old and new PIN (change), PUK and new PIN (unblock)."""

    USE = "use"
    VERIFY = "verify"
    CHANGE = "change"
    UNBLOCK = "unblock"


class Action(StrEnum):
    """What the code will be used for."""

    AUTHENTICATE = "authenticate"
    SIGN = "sign"
    SIGN_DIGESTS = "sign-digests"
    SIGN_BATCH = "sign-batch"
    SIGN_RAW = "sign-raw"
    VERIFY_PIN = "verify-pin"
    CHANGE_PIN = "change-pin"
    UNBLOCK_PIN = "unblock-pin"
    READ_SITUATIONS = "read-situations"
    ASSERT = "assert"
    CONNECT = "connect"
    USE_AUTHENTICATION_KEY = "use-authentication-key"
    USE_SIGNATURE_KEY = "use-signature-key"
    READ_PRIVATE_DATA = "read-private-data"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: a web origin or a program path, and the executable that carried the request.

    `owner`: whose process a program is, where that is shown.
    """

    caller: str
    through: str | None = None
    is_page: bool = False
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class CardSummary:
    """The card as a person knows it.

    `test`: a card of the test domain, shown as such. `test_token`: its certificate chains to the test root that
    this data folder made, so that a scripted code may be given to it. `kind`: CPS, CPF, CPE, CPA or CDE, in the ANS's
    words, or SOFTWARE; `reader`: where it is, shown when there are several.
    """

    number: str
    holder: str
    test: bool = False
    test_token: bool = False
    kind: str = "CPS"
    reader: str | None = None

    @property
    def is_software(self) -> bool:
        """Whether it is no card at all, but a certificate whose key this workstation keeps."""
        return self.kind == SOFTWARE


@dataclass(frozen=True, slots=True)
class CertificateSummary:
    """The certificate whose key will sign, as a person can tell it from another: who issued it, until when it holds."""

    issuer: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AssertionSummary:
    """What a health service is told: `service` names the kind of assertion, `mode` direct, indirect or air.

    `professional` None: the card's holder; else a name with number and roles. `structure` None: the one that the card
    tells. `patient`: the INS. `purpose`: a code with the caller's words for it; `confidentiality`: of a secret
    connection; `reason`: why, in the caller's words. `billing_id`: the number that is billed with. `recipient`: the
    address of the service, where the caller gives it.
    """

    service: str
    mode: str | None = None
    professional: str | None = None
    structure: str | None = None
    patient: str | None = None
    purpose: str | None = None
    confidentiality: str | None = None
    reason: str | None = None
    billing_id: str | None = None
    recipient: str | None = None


@dataclass(frozen=True, slots=True)
class StatementSummary:
    """What a signature says besides, in the caller's words: in which capacity, by which policy, why, where."""

    role: str | None = None
    policy: str | None = None
    reason: str | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class PinRequest:
    """Everything that a person needs to know before typing a code. The lengths are those of the PIN.

    `subjects`: the site, or document names; `subject_count` is set when only the first ones are named, `sizes` are
    those of the documents in bytes, in the same order, where they are known. `certificate`: the one that signs.
    `tries_left`: None when unknown; a blocked code is not asked for. `on_behalf_of`: the origin that a *program*
    wants to log in to. `session_minutes`, `session_uses`: offer to keep the PIN for that long and that many uses.
    `on_pad`: codes are typed on the reader after the person has agreed here; no field is shown. `passphrase`: codes are
    passphrases, of any characters. `no_code`: the key needs none, and the person is asked for a yes to this one use.
    `key`: the label of the key or object that a program uses by PKCS#11; `for_login`: that key proves who one is to
    sites and services (TLS). `unseen`: of how many documents of a batch nothing but a hash was seen here. `assertion`:
    what is said of whom, where that is what the key signs. `statement`: what signatures of documents say besides.
    `stays_minutes`: how long what is opened stays open at most, without another question.
    """

    kind: PinKind
    asker: Asker
    action: Action
    card: CardSummary
    subjects: tuple[str, ...] = ()
    subject_count: int | None = None
    format: str | None = None
    tries_left: int | None = None
    min_length: int = 4
    max_length: int = 8
    on_behalf_of: str | None = None
    session_minutes: int | None = None
    session_uses: int | None = None
    sizes: tuple[int, ...] = ()
    certificate: CertificateSummary | None = None
    on_pad: bool = False
    passphrase: bool = False
    no_code: bool = False
    key: str | None = None
    for_login: bool = False
    unseen: int = 0
    assertion: AssertionSummary | None = None
    statement: StatementSummary | None = None
    stays_minutes: int | None = None

    def __post_init__(self) -> None:
        if self.tries_left is not None and self.tries_left < 1:
            raise ValueError("a blocked code is not asked for")
        if not 4 <= self.min_length <= self.max_length <= 8:
            raise ValueError("a code is 4 to 8 digits")
        if self.on_pad + self.passphrase + self.no_code > 1 or (self.no_code and self.kind is not PinKind.USE):
            raise ValueError("a code is typed here, or on the reader, or not at all")

    @property
    def wants_new_code(self) -> bool:
        """Whether a new PIN is chosen as well."""
        return self.kind in (PinKind.CHANGE, PinKind.UNBLOCK)

    @property
    def code_lengths(self) -> tuple[int, int]:
        """The shortest and longest first code: the PUK when unblocking, else the PIN or the passphrase."""
        if self.kind is PinKind.UNBLOCK:
            return PUK_LENGTH, PUK_LENGTH
        return self.new_code_lengths

    @property
    def new_code_lengths(self) -> tuple[int, int]:
        """The shortest and longest PIN or passphrase."""
        return PASSPHRASE_LENGTHS if self.passphrase else (self.min_length, self.max_length)


@dataclass(frozen=True, slots=True)
class PinAnswer:
    """The codes a person typed: PIN, or old and new PIN, or PUK and new PIN. Leave the `with` block: both are wiped.

    `code` is ON_PAD for a request with `on_pad`, and None for one with `no_code`: there is no `new_code` then either.
    `session`: the person ticked that the PIN may be kept for the minutes that were offered.
    """

    code: Code | None
    new_code: Typed | None = None
    session: bool = False

    def wipe(self) -> None:
        """Overwrite the codes with zeroes."""
        for code in (self.code, self.new_code):
            if code is not None:
                code.wipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()


@dataclass(frozen=True, slots=True)
class ConfirmRequest:
    """Abilities that a caller asks for, until when, and whether the answer is remembered as a grant.

    `card`, `key`: the one card that they concern, and the label of its key.
    """

    asker: Asker
    abilities: tuple[str, ...]
    until: datetime | None = None
    remembered: bool = False
    card: CardSummary | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if not self.abilities or not set(self.abilities) <= set(ABILITIES):
            raise ValueError(f"unknown abilities: {self.abilities}")


@dataclass(frozen=True, slots=True)
class CardChoice:
    """Several cards could do what is asked: which one? The cards have distinct numbers."""

    asker: Asker
    action: Action
    cards: tuple[CardSummary, ...]

    def __post_init__(self) -> None:
        if len({card.number for card in self.cards}) != len(self.cards) or len(self.cards) < 2:
            raise ValueError("a choice is between cards of different numbers")


class Deed(StrEnum):
    """What is done to the certificates and keys that this workstation keeps, and to what opens a mailbox."""

    IMPORT = "import"
    REMOVE = "remove"
    ORDER = "order"
    DELIVER = "deliver"
    CANCEL_ORDER = "cancel-order"
    MAIL_PASSWORD = "mail-password"  # noqa: S105 - a password is what is made, not this


@dataclass(frozen=True, slots=True)
class KeptCertificate:
    """A certificate as a person tells it from another. `role`: in IGC-Santé's words, such as SIGN; None: unknown.

    `is_rootless`: it leads to no known root, so that its words, its issuer's name among them, are but claims.
    """

    holder: str
    issuer: str
    expires_at: datetime
    role: str | None = None
    is_rootless: bool = False


@dataclass(frozen=True, slots=True)
class DeedRequest:
    """Something that a program wants done to what is kept here.

    `subject`: the file's name, the product that is ordered, or the mailbox's address. `opens`: the passphrase of
    that file is asked; `wrong`: the one given a moment ago does not open it. `protects`: a passphrase for the keys
    is chosen, and typed twice. With neither, the person is asked for a yes.
    """

    deed: Deed
    asker: Asker
    subject: str
    certificates: tuple[KeptCertificate, ...] = ()
    opens: bool = False
    wrong: bool = False
    protects: bool = False
    test: bool = False

    def __post_init__(self) -> None:
        if self.opens and self.protects:
            raise ValueError("one passphrase is asked at a time")

    @property
    def wants_passphrase(self) -> bool:
        """Whether the answer is a passphrase."""
        return self.opens or self.protects


class NoticeKind(StrEnum):
    """What a person is told; the words are the prompt's, in the person's language."""

    TYPE_ON_READER = "type-on-reader"
    NO_TRAY = "no-tray"
    CARD_PULLED = "card-pulled"
    COMPARE_NUMBER = "compare-number"


@dataclass(frozen=True, slots=True)
class NumberSummary:
    """A login that the person agrees to on another device, where the same `number` is shown: two digits.

    `service`: that logs in; `person`: the national id of who is asked there; `on_phone`: with the e-CPS.
    """

    number: str
    asker: Asker
    service: str
    person: str
    on_phone: bool = True


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell. `card`: the one it is about; `tries_left`: of the code that is to be typed on the reader.

    `program`: the path of one that had logged in with the card. `login`: the number to compare.
    """

    kind: NoticeKind
    card: CardSummary | None = None
    tries_left: int | None = None
    program: str | None = None
    login: NumberSummary | None = None


class Prompt(ABC):
    """A way to ask the person. Cancelling the task that waits takes the question away."""

    @abstractmethod
    async def ask_pin(self, request: PinRequest) -> PinAnswer:
        """Ask for codes of the right format. Raises PromptRefusedError, PromptUnavailableError."""

    @abstractmethod
    async def confirm(self, request: ConfirmRequest) -> bool:
        """Ask for consent: True, or False for no. Raises PromptTimeoutError, PromptUnavailableError."""

    @abstractmethod
    async def choose_card(self, choice: CardChoice) -> str:
        """Ask which card. Gives its number. Raises PromptRefusedError, PromptUnavailableError."""

    @abstractmethod
    async def agree(self, request: DeedRequest) -> Passphrase | None:
        """Ask leave for a deed: the passphrase that it wants, which the caller wipes, or None for a plain yes.

        Raises PromptRefusedError, PromptUnavailableError.
        """

    @abstractmethod
    async def inform(self, message: Notice) -> None:
        """Tell, and return once the person has closed it or time is up. Raises PromptUnavailableError."""

    def note_refusal(self, asker: Asker, purpose: str) -> None:  # noqa: B027 - most keep no count
        """The person said no elsewhere: on the keys of a reader, or on a phone."""

    def heed_refusal(self, asker: Asker, purpose: str) -> None:  # noqa: B027 - likewise
        """Raise PromptRefusedError while such a no stands, for what is asked elsewhere again."""


class RefusingPrompt(Prompt):
    """The default: nobody is there."""

    async def ask_pin(self, request: PinRequest) -> PinAnswer:
        """Refuse."""
        raise PromptUnavailableError(f"nobody to ask a code for {request.action}")

    async def confirm(self, request: ConfirmRequest) -> bool:
        """Refuse."""
        raise PromptUnavailableError(f"nobody to ask for {', '.join(request.abilities)}")

    async def choose_card(self, choice: CardChoice) -> str:
        """Refuse."""
        raise PromptUnavailableError(f"nobody to choose a card for {choice.action}")

    async def agree(self, request: DeedRequest) -> Passphrase | None:
        """Refuse."""
        raise PromptUnavailableError(f"nobody to ask for leave to {request.deed}")

    async def inform(self, message: Notice) -> None:
        """Refuse."""
        raise PromptUnavailableError(f"nobody to tell: {message.kind}")
