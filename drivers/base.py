"""The seams between the agent and the hardware: readers, connections, tokens, and the values that travel."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum

from drivers.errors import CardBusyError
from drivers.pin import Code


class Deadline:
    """The moment after which a call gives up; it can be brought forward from another thread."""

    def __init__(self, timeout_s: float) -> None:
        self._end = time.monotonic() + timeout_s
        self._cancelled = threading.Event()

    @property
    def remaining_s(self) -> float:
        """Seconds left, never below zero."""
        return 0.0 if self._cancelled.is_set() else max(0.0, self._end - time.monotonic())

    def cancel(self) -> None:
        """Make the deadline pass now: whoever waited for the result is gone."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise CardBusyError once the deadline has passed."""
        if not self.remaining_s:
            raise CardBusyError


@dataclass(frozen=True, slots=True)
class ReaderState:
    """One reader as last seen. `events` counts insertions and removals: while it stands still, so does the card.

    `atr` is None when nothing is there, and empty for a token that has none to tell.
    """

    name: str
    atr: bytes | None
    events: int
    exclusive: bool = False
    mute: bool = False


class Connection(ABC):
    """A card held for the length of one transaction.

    `events` moves with each insertion and removal; it is compared only with what the same slot gave before.
    `whole_apdus`: the protocol is T=1 (ISO 7816-3 §11), where a command says itself how much answer it wants.
    """

    atr: bytes
    events: int
    whole_apdus: bool = False

    @abstractmethod
    def transmit(self, apdu: bytes | bytearray) -> bytes:
        """Exchange one APDU; the answer is data followed by SW1 SW2, with 61xx and 6Cxx left to the caller.

        Raises a RetriableError when the card, the reader or the service goes away.
        """

    @abstractmethod
    def reset_at_end(self, wanted: bool) -> None:  # noqa: FBT001
        """Say whether the card is to be reset when the transaction ends, which forgets every verified code."""


class PinPad(ABC):
    """A Connection to a card in a reader with keys of its own, which puts what is typed there into a command.

    Blocks are the structures of PC/SC part 10, v2.02.09 §2.5. Both calls last as long as a person types; they give the
    card's status word, or the reader's: 6400 nothing typed in time, 6401 cancelled, 6402 new codes differ, 6403 length.
    Both raise NotSupportedError when the reader does not do what it announces, and what `transmit` raises.
    """

    replaces_codes: bool
    """Whether the reader has FEATURE_MODIFY_PIN_DIRECT besides FEATURE_VERIFY_PIN_DIRECT."""

    @abstractmethod
    def verify_on_pad(self, block: bytes) -> bytes:
        """Have a code typed and sent: PIN_VERIFY."""

    @abstractmethod
    def modify_on_pad(self, block: bytes) -> bytes:
        """Have a new code typed twice, after the old one where the block says so, and sent: PIN_MODIFY."""


class Slot(ABC):
    """Where one token is. It is used by one thread at a time; `exchanges` counts the APDUs that this side has sent."""

    name: str
    exchanges: int = 0


class CardSlot(Slot):
    """A reader slot that takes APDUs."""

    @abstractmethod
    def transaction(self, deadline: Deadline) -> AbstractContextManager[Connection]:
        """Connect shared and keep other programs out until the block ends; on every way out the card is given back.

        Raises CardBusyError, CardAbsentError, CardMuteError, ReaderExclusiveError, ReaderAbsentError and
        ServiceStoppedError.
        """


class Readers(ABC):
    """The readers that one driver sees."""

    @abstractmethod
    def list_states(self) -> tuple[ReaderState, ...]:
        """Look once. Raises ServiceStoppedError."""

    @abstractmethod
    def wait_for_change(self, known: tuple[ReaderState, ...]) -> tuple[ReaderState, ...]:
        """Block until something differs from `known` or stop() is called, then give the states as they are now.

        Raises ServiceStoppedError.
        """

    @abstractmethod
    def open_slot(self, name: str) -> Slot:
        """Give a fresh slot for that reader; nothing is connected yet."""

    @abstractmethod
    def stop(self) -> None:
        """End a wait_for_change that runs in another thread."""


HASH_LENGTHS = {"sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}
NO_HASH = "none"
"""In place of a hash name: no DigestInfo is padded but the value as it is, as CKM_RSA_PKCS does (PKCS #11)."""


class Padding(StrEnum):
    """How a hash value is made into an RSA signature (RFC 8017 §8)."""

    PKCS1 = "pkcs1"
    PSS = "pss"
    """RSASSA-PSS with MGF1 over the same hash and a salt as long as it (RFC 7518 §3.5)."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A hash value with its algorithm, named as hashlib does, and the padding that it is to be signed with.

    With NO_HASH it is any value that PKCS#1 v1.5 pads: at most 11 bytes shorter than the modulus (RFC 8017 §8.2.1).
    """

    algorithm: str
    value: bytes
    padding: Padding = Padding.PKCS1

    def __post_init__(self) -> None:
        if self.algorithm == NO_HASH and self.padding is Padding.PKCS1 and self.value:
            return
        if HASH_LENGTHS.get(self.algorithm) != len(self.value):
            raise ValueError(f"not a {self.algorithm} value: {len(self.value)} bytes")


class KeyRole(StrEnum):
    """What a key is for, as its certificate's KeyUsage says."""

    AUTHENTICATION = "authentication"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A private key and the certificate that shares its CKA_ID.

    `hashes` and `pss_hashes`: what it can sign with either padding, named as hashlib does; NO_HASH among them where it
    pads anything. `needs_code` is False for a key that signs for whoever holds the card near a reader (the technical
    key of a contactless CPS3).
    """

    key_id: bytes
    label: str
    role: KeyRole
    certificate_der: bytes
    hashes: frozenset[str]
    pss_hashes: frozenset[str] = frozenset()
    needs_code: bool = True

    def signs(self, digest: Digest) -> bool:
        """Whether the key can sign this digest with its padding."""
        return digest.algorithm in (self.pss_hashes if digest.padding is Padding.PSS else self.hashes)


@dataclass(frozen=True, slots=True)
class PinStatus:
    """State of the holder's code: tries left (None when the token does not tell, as a card that stands verified)."""

    tries_left: int | None
    verified: bool
    min_length: int = 4
    max_length: int = 8

    @property
    def blocked(self) -> bool:
        """Whether no try is left."""
        return self.tries_left == 0


class Token(ABC):
    """Keys that sign after a code. `number` is the key of the token: the 8 digits of EF.SN on a CPS.

    `access` is the way to it: "direct", or the file name of a PKCS#11 module. The timeouts are what a call may take.
    `on_pad`: codes are typed on the reader (PC/SC part 10): calls then take ON_PAD and may last `pad_timeout_s`.
    `passphrase`: they are a Passphrase; else a Pin. Another kind raises NotSupportedError, and nothing is sent.
    `authorities_der`: certificates of authorities that it holds beside its own; they prove nothing by being there.
    """

    number: str
    label: str
    generation: str
    keys: tuple[KeyInfo, ...]
    authorities_der: tuple[bytes, ...] = ()
    access: str = "direct"
    look_timeout_s: float = 5.0
    use_timeout_s: float = 10.0
    on_pad: bool = False
    passphrase: bool = False
    pad_timeout_s: float = 60.0

    def close(self) -> None:  # noqa: B027 - most tokens hold nothing
        """Let go of what the token holds; it does not wait."""

    @abstractmethod
    def sign(self, key: KeyInfo, digests: Sequence[Digest], code: Code | None, deadline: Deadline) -> list[bytes]:
        """Sign with one code as many digests as fit into one short transaction: at least one, in their order.

        Whoever wants more calls again with the rest: a Pin is sent again, ON_PAD has the person type again. The code is
        None for a key that needs none. RFC 8017 §8.2 or §8.1, each signature checked against the key's certificate.
        Raises PinWrongError, PinBlockedError, PadRefusedError, NotSupportedError, CardRemovedError, CardError.
        """


@dataclass(frozen=True, slots=True)
class DataObject:
    """A PKCS#11 data object (CKO_DATA) with its value as stored."""

    label: str
    application: str
    value: bytes
    private: bool


@dataclass(frozen=True, slots=True)
class DataEntry:
    """A data object as a directory lists it, without its value."""

    label: str
    application: str
    private: bool


Wanted = Callable[[str], bool]
"""Whether a data object of that label is to be read."""


def any_label(_label: str) -> bool:
    """Want every data object."""
    return True


class DataReader(ABC):
    """A token whose data objects can be read. `data_timeout_s`: what that may take with a code that nobody types."""

    data_timeout_s: float = 45.0

    @abstractmethod
    def read_data_objects(
        self, code: Code | None, deadline: Deadline, wanted: Wanted = any_label
    ) -> tuple[DataObject, ...]:
        """Read the public objects that are wanted, and with a code the private ones too.

        Reading is cut into transactions that leave other programs their turn: in each of them a Pin is sent again, and
        ON_PAD has the person type again. An object that the token will not show is left out, a long one is cut.
        Raises what Token.sign raises.
        """

    def list_data_objects(self, deadline: Deadline) -> tuple[DataEntry, ...]:
        """What there is, as far as the token tells without a code. Raises what Token.sign raises."""
        found = self.read_data_objects(None, deadline)
        return tuple(DataEntry(item.label, item.application, item.private) for item in found)


class PinReader(ABC):
    """A token that tells how many tries are left."""

    @abstractmethod
    def read_pin_status(self, deadline: Deadline) -> PinStatus:
        """Ask the card; costs no try."""


class PinKeeper(ABC):
    """A token whose codes can be checked and replaced."""

    @abstractmethod
    def verify_pin(self, pin: Code, deadline: Deadline) -> None:
        """Check the code and leave the card as closed as it was found. Raises PinWrongError, PinBlockedError."""

    @abstractmethod
    def change_pin(self, old: Code, new: Code, deadline: Deadline) -> None:
        """Replace the code. Raises PinWrongError or PinBlockedError about `old`."""

    @abstractmethod
    def unblock_pin(self, puk: Code, new: Code, deadline: Deadline) -> None:
        """Set a new code with the PUK. Raises PinWrongError or PinBlockedError about `puk`."""


class TokenSlot(Slot):
    """A slot whose driver opens its token itself."""

    @abstractmethod
    def open_token(self, deadline: Deadline) -> Token:
        """Open the token that is there. Raises DriverError."""
