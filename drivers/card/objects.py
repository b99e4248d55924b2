"""The data objects of a card: what its directory lists, public ones asked for once, private ones after the code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from drivers.base import CardSlot, DataObject, Deadline, Wanted
from drivers.card import pkcs15
from drivers.card.activity import is_private
from drivers.card.apdu import Channel
from drivers.card.dialect import Dialect
from drivers.card.files import CardReading, Sight
from drivers.card.profile import CardObject, CardProfile
from drivers.card.reading import absolute_path
from drivers.errors import CardError

MAX_DIRECTORIES, MAX_DIRECTORY = 4, 8192
MAX_OBJECTS, MAX_OBJECT = 64, 2048
"""Objects of one card, and bytes of one: a genuine card has sixteen situations at most, of about 100 bytes."""
MAX_CODED_EXCHANGES = 256  # three for an object, and two for each time that the code is sent
CODED_SLICE_S = 1.1
"""The code goes first: with three more exchanges of a slow card a transaction stays below 2 s."""
PAD_SLICE_S = 5.0
"""After a code that was typed on the reader, which other programs have waited for anyway: a person who has to type
again keeps them out for longer than that."""


@dataclass(frozen=True, slots=True)
class Unlocking:
    """How a transaction begins that reads private files: `send` has the card take the code, `typed` on the reader."""

    send: Callable[[Channel], None]
    typed: bool


class CodedReading(CardReading):
    """A reading that sends the code at the beginning of each transaction, since each ends with the card closed."""

    max_exchanges = MAX_CODED_EXCHANGES

    def __init__(
        self, slot: CardSlot, dialect: Dialect, deadline: Deadline, sight: Sight, unlocking: Unlocking
    ) -> None:
        super().__init__(slot, dialect, deadline, CODED_SLICE_S, sight)
        self._unlocking = unlocking

    def _enter(self, channel: Channel) -> None:
        self._unlocking.send(channel)
        if self._unlocking.typed:
            self._slice_end = time.monotonic() + PAD_SLICE_S  # a person was typing until now


def read_public(
    reading: CardReading, profile: CardProfile, wanted: Wanted, *, anew: bool
) -> tuple[CardProfile, tuple[DataObject, ...]]:
    """Read of the public objects that are wanted what the profile does not tell. Gives it with that, and them.

    `anew`: the directory is read though it is known, since an update of the card may have changed it.
    """
    listed = profile.objects
    if listed is None or anew:
        listed = _keep_values(_read_directories(reading, profile), listed or ())
    public = [item for item in listed if not item.private and wanted(item.label)]
    read = {item.path: value for item, value in _read(reading, (item for item in public if item.value is None))}
    known = tuple(item if item.modifiable else _with_value(item, read) for item in listed)
    found = (_data_object(item, read.get(item.path, item.value)) for item in public)
    return replace(profile, objects=known), tuple(item for item in found if item is not None)


def list_private(profile: CardProfile, wanted: Wanted) -> tuple[CardObject, ...]:
    """The private objects that are wanted."""
    return tuple(item for item in profile.objects or () if item.private and wanted(item.label))


def read_private(reading: CodedReading, objects: Iterable[CardObject]) -> tuple[DataObject, ...]:
    """Read private objects."""
    return tuple(
        DataObject(item.label, item.application, value, private=True) for item, value in _read(reading, objects)
    )


def _keep_values(listed: tuple[CardObject, ...], known: tuple[CardObject, ...]) -> tuple[CardObject, ...]:
    """What is known of the objects, if they are the same ones still: else nothing of it is trusted."""
    return known if tuple(replace(item, value=None) for item in known) == listed else listed


def _with_value(item: CardObject, read: dict[bytes, bytes]) -> CardObject:
    return replace(item, value=read.get(item.path, item.value)) if not item.private else item


def _data_object(item: CardObject, value: bytes | None) -> DataObject | None:
    return None if value is None else DataObject(item.label, item.application, value, private=False)


def _read_directories(reading: CardReading, profile: CardProfile) -> tuple[CardObject, ...]:
    contents = (reading.read_file(path, MAX_DIRECTORY) for path in profile.object_directories[:MAX_DIRECTORIES])
    files = [file for content in contents for file in pkcs15.parse_data_objects(content)]
    return tuple(
        CardObject(
            file.label,
            file.application,
            absolute_path(profile.application_path, file.path),
            file.private or is_private(file.label),
            file.modifiable,
        )
        for file in files[:MAX_OBJECTS]
    )


def _read(reading: CardReading, objects: Iterable[CardObject]) -> Iterator[tuple[CardObject, bytes]]:
    """Objects with their contents; one that the card will not show is left out."""
    for item in objects:
        try:
            content = reading.read_file(item.path, MAX_OBJECT)
        except CardError:
            if reading.stopped:
                raise
            continue
        yield item, content
