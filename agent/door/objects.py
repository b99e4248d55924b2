"""The objects of a program's tokens by their handles (PKCS #11 v2.40 §4), as long as the cards are where they were."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from agent.cards.card import Card
from agent.door.attributes import (
    NEVER_TOLD,
    Attributes,
    certificate_attributes,
    data_attributes,
    private_key_attributes,
    public_key_attributes,
)
from agent.door.cryptoki import (
    CKA_CLASS,
    CKA_LABEL,
    CKA_UNIQUE_ID,
    CKA_VALUE,
    CKO_CERTIFICATE,
    CKO_DATA,
    CKO_PRIVATE_KEY,
    CKO_PUBLIC_KEY,
    CKR_ATTRIBUTE_SENSITIVE,
    CKR_ATTRIBUTE_TYPE_INVALID,
    CKR_BUFFER_TOO_SMALL,
    CKR_OBJECT_HANDLE_INVALID,
    CKR_OK,
)
from agent.door.handles import new_handles
from agent.door.tokens import DoorToken
from agent.door.values import (
    Attribute,
    AttributeRoom,
    AttributesAnswer,
    AttributeValue,
    CryptokiError,
)
from drivers.base import DataEntry, KeyInfo, KeyRole
from drivers.errors import CardUnknownError

log = logging.getLogger(__name__)

MAX_DATA = 256
"""Data objects of one card; a CPS has about twenty."""
ULONG_SIZE, BOOLEAN_SIZE = 8, 1


@dataclass(frozen=True, slots=True, eq=False)
class DoorObject:
    """An object with what may be told of it. `key`: of a private key; `entry`: of a data object."""

    card: Card
    attributes: Attributes
    key: KeyInfo | None = None
    entry: DataEntry | None = None

    def matches(self, template: Iterable[Attribute]) -> bool:
        """Whether every attribute of the template is there and the same (§5.7, C_FindObjectsInit)."""
        return all(wanted.value is not None and self._has(wanted) for wanted in template)

    def _has(self, wanted: Attribute) -> bool:
        value = self.attributes.get(wanted.type)
        return type(value) is type(wanted.value) and value == wanted.value

    def answer(self, rooms: Sequence[AttributeRoom], data: bytes | None = None) -> AttributesAnswer:
        """What was asked for, each as far as it can be told and has room (§5.7, C_GetAttributeValue).

        `data`: the value of a data object. Of several reasons the return value is the first one.
        """
        told = [self._tell(room, data) for room in rooms]
        reasons = (rv for _, rv in told if rv != CKR_OK)
        return AttributesAnswer(tuple(attribute for attribute, _ in told), next(reasons, CKR_OK))

    def _tell(self, asked: AttributeRoom, data: bytes | None) -> tuple[Attribute, int]:
        value = self.attributes.get(asked.type, data if asked.type == CKA_VALUE else None)
        if value is None:
            hidden = asked.type in NEVER_TOLD and self.attributes[CKA_CLASS] == CKO_PRIVATE_KEY
            return Attribute(asked.type, None), CKR_ATTRIBUTE_SENSITIVE if hidden else CKR_ATTRIBUTE_TYPE_INVALID
        if 0 < asked.room < _size(value):
            return Attribute(asked.type, None), CKR_BUFFER_TOO_SMALL
        return Attribute(asked.type, value), CKR_OK


def _size(value: AttributeValue) -> int:
    if isinstance(value, bool):
        return BOOLEAN_SIZE
    if isinstance(value, int):
        return ULONG_SIZE
    return len(value) * (ULONG_SIZE if isinstance(value, tuple) else 1)


class CardObjects:
    """The objects of one card by their handles; those of its data directory once that was listed."""

    def __init__(self, card: Card, handles: Iterator[int]) -> None:
        self.card = card
        self.handles: dict[int, DoorObject] = {next(handles): each for each in _key_objects(card)}
        self._new = handles
        self._data: dict[tuple[DataEntry, int], int] = {}
        self.noted = False

    def take_data(self, entries: Sequence[DataEntry]) -> None:
        """These are its data objects now; those that were there before keep their handles."""
        named = _numbered(entries[:MAX_DATA])
        for gone in self._data.keys() - set(named):
            del self.handles[self._data.pop(gone)]
        for name in named:
            if name not in self._data:
                handle = self._data[name] = next(self._new)
                self.handles[handle] = _data_object(self.card, *name)


def _numbered(entries: Iterable[DataEntry]) -> list[tuple[DataEntry, int]]:
    """Each with its number among equal ones."""
    seen: Counter[DataEntry] = Counter()
    named = []
    for entry in entries:
        named.append((entry, seen[entry]))
        seen[entry] += 1
    return named


def usable_keys(card: Card) -> tuple[KeyInfo, ...]:
    """The keys that sign: none of a contactless card, and none that the way to the card proved unable to use."""
    if card.is_contactless:
        return ()
    return tuple(key for key in card.token.keys if (key.hashes or key.pss_hashes) and card.key(key.role) is key)


def _key_objects(card: Card) -> Iterator[DoorObject]:
    """Of the authentication key first, as some programs take the first that they see."""
    signing = usable_keys(card)
    for key in sorted(card.token.keys, key=lambda key: key.role is not KeyRole.AUTHENTICATION):
        try:
            yield _key_object(card, CKO_CERTIFICATE, key, certificate_attributes(key))
            yield _key_object(card, CKO_PUBLIC_KEY, key, public_key_attributes(key))
            if key in signing:
                attributes = private_key_attributes(key, of_card=not card.is_software)
                yield _key_object(card, CKO_PRIVATE_KEY, key, attributes)
        except CardUnknownError as error:
            log.warning("a key of the card %s is not shown: %s", card.number, error)


def _key_object(card: Card, kind: int, key: KeyInfo, attributes: Attributes) -> DoorObject:
    named = {CKA_LABEL: _label(card, key).encode(), CKA_UNIQUE_ID: f"{card.number}-{kind}-{key.key_id.hex()}".encode()}
    return DoorObject(card, {**attributes, CKA_CLASS: kind, **named}, key if kind == CKO_PRIVATE_KEY else None)


def _label(card: Card, key: KeyInfo) -> str:
    """Software keys are called by what they are for: the subject tells one from another."""
    return f"{card.token.label} ({key.label})" if card.is_software else key.label


def _data_object(card: Card, entry: DataEntry, number: int) -> DoorObject:
    name = hashlib.sha256(f"{entry.application}\0{entry.label}\0{number}".encode()).hexdigest()[:16]
    unique = f"{card.number}-{CKO_DATA}-{name}".encode()
    return DoorObject(card, {**data_attributes(entry), CKA_UNIQUE_ID: unique}, entry=entry)


class Objects:
    """Those that one program has seen or can find. `is_held`: whether a card is still where it was."""

    def __init__(self, is_held: Callable[[Card], bool]) -> None:
        self._cards: list[CardObjects] = []
        self._handles = new_handles()
        self._is_held = is_held

    def of(self, token: DoorToken) -> list[CardObjects]:
        """The objects of a token, card by card; those of cards that have left are forgotten."""
        self._cards = [known for known in self._cards if self._is_held(known.card)]
        return [self._of_card(card) for card in token.cards]

    def _of_card(self, card: Card) -> CardObjects:
        for known in self._cards:
            if known.card is card:
                return known
        self._cards.append(CardObjects(card, self._handles))
        return self._cards[-1]

    def find(self, token: DoorToken, handle: int) -> DoorObject:
        """The object of that handle. Raises CryptokiError for one that this token has not, or has not any more."""
        for known in self._cards:
            found = known.handles.get(handle)
            if found is not None and token.holds(known.card):
                return found
        raise CryptokiError(CKR_OBJECT_HANDLE_INVALID)
