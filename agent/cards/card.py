"""A card that was read: its token, its certificates and its holder."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.cards.errors import CertificateExpiredError, KeyRefusedError
from agent.people.prompt import SOFTWARE, CardSummary, CertificateSummary
from drivers.base import DataReader, KeyInfo, KeyRole, PinKeeper, PinReader, Token
from drivers.card.atr import CardFamily
from drivers.card.certificate import Certificate, parse_certificate
from drivers.card.extensions import PURPOSE_CLIENT_AUTHENTICATION, read_purposes
from drivers.card.names import OID_COMMON_NAME
from drivers.errors import KeyUnusableError, NotSupportedError

if TYPE_CHECKING:
    from agent.certificates.holder import Holder
    from drivers.card.activity import Activity


@dataclass(slots=True)
class CardMemory:
    """What was learned of the card since it was read, kept until it leaves its reader and written nowhere.

    `situations`: told after a code, None when not asked yet. `speciality`: the code (R01) of its public data, where
    that ends with one. `asking`: held while somebody is asked for them. `revoked`: one of its certificates is known to
    be.
    """

    situations: tuple[Activity, ...] | None = None
    speciality: str | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    revoked: bool = False

    def forget(self) -> None:
        """Drop what the card itself has told."""
        self.situations = self.speciality = None


@dataclass(frozen=True, slots=True)
class Card:
    """A usable card in a reader, or software certificates, which are in none: then `reader` is empty.

    `test_token`: its chain ends at the test root that this data folder made.
    """

    reader: str
    token: Token
    holder: Holder
    expires_at: datetime
    test_token: bool
    memory: CardMemory = field(default_factory=CardMemory, repr=False, compare=False)

    @property
    def number(self) -> str:
        """The 8 digits of EF.SN; of software certificates S and 15 hexadecimal digits."""
        return self.token.number

    @property
    def is_software(self) -> bool:
        """Whether the keys are kept by this workstation, not by a card."""
        return not self.reader

    @property
    def test(self) -> bool:
        """Whether it is a card of a test domain."""
        return self.test_token or self.holder.test

    def key(self, role: KeyRole) -> KeyInfo:
        """The key of that role. Raises KeyRefusedError when the card has none."""
        for key in self.token.keys:
            if key.role is role:
                return key
        raise KeyRefusedError(f"this card has no {role} key")

    @property
    def is_contactless(self) -> bool:
        """Whether it is held to a reader, not inserted: it shows its technical certificate alone."""
        return self.token.generation == CardFamily.CPS3_CONTACTLESS

    def summary(self) -> CardSummary:
        """What a dialog shows of the card."""
        return CardSummary(
            number=self.number,
            holder=self.holder.display_name,
            test=self.test,
            test_token=self.test_token,
            kind=SOFTWARE if self.is_software else self.holder.kind or "CPS",
            reader=self.reader or None,
        )


def is_seen_again(card: Card, other: Card) -> bool:
    """Whether a module shows a card that is reached another way: its number alone may be anybody's claim."""
    mine, others = ({key.certificate_der for key in each.token.keys} for each in (card, other))
    return card.number == other.number and card.token.access != other.token.access and bool(mine & others)


def describe_card(reader: str, token: Token, *, test_token: bool) -> Card:
    """Read holder and expiry from the certificates. Raises CardUnknownError when they cannot be parsed."""
    from agent.certificates.holder import read_card_holder  # noqa: PLC0415 - at the first card

    certificates = [load_certificate(key.certificate_der) for key in token.keys]
    expires_at = min(certificate.not_after for certificate in certificates)
    return Card(reader, token, read_card_holder(certificates), expires_at, test_token)


@functools.lru_cache(maxsize=64)
def load_certificate(certificate_der: bytes) -> Certificate:
    """Parse a certificate of a card. Raises CardUnknownError."""
    return parse_certificate(certificate_der)


def certificate_summary(key: KeyInfo) -> CertificateSummary:
    """What tells a person which certificate signs."""
    certificate = load_certificate(key.certificate_der)
    names = certificate.issuer.texts(OID_COMMON_NAME)
    return CertificateSummary(names[0] if names else "", certificate.not_after)


def is_for_login(key: KeyInfo) -> bool:
    """Whether its certificate says that TLS servers may take it for its holder's (RFC 5280 §4.2.1.12)."""
    return PURPOSE_CLIENT_AUTHENTICATION in (read_purposes(load_certificate(key.certificate_der)) or ())


def pin_reader(card: Card) -> PinReader:
    """The card as one that tells its tries. Raises NotSupportedError."""
    if isinstance(card.token, PinReader):
        return card.token
    raise NotSupportedError("this token does not tell the state of its code")


def data_reader(card: Card) -> DataReader:
    """The card as one whose data objects can be read. Raises NotSupportedError."""
    if isinstance(card.token, DataReader):
        return card.token
    raise NotSupportedError("this token shows no data objects")


def pin_keeper(card: Card) -> PinKeeper:
    """The card as one whose codes can be checked and replaced. Raises NotSupportedError."""
    if isinstance(card.token, PinKeeper):
        return card.token
    raise NotSupportedError("the codes of this token are kept elsewhere")


def require_usable(key: KeyInfo) -> None:
    """Raise KeyUnusableError for a key that the way to the card proved unable to use: before a code is asked."""
    if not key.hashes:
        raise KeyUnusableError


def require_valid(key: KeyInfo, now: datetime | None = None) -> None:
    """Raise CertificateExpiredError outside the validity of the key's certificate."""
    certificate = load_certificate(key.certificate_der)
    now = now or datetime.now(UTC)
    if not certificate.not_before <= now <= certificate.not_after:
        raise CertificateExpiredError
