"""PKCS#11 modules as ways to tokens: cards in PC/SC readers, and tokens that no reader shows."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Container
from pathlib import Path

from drivers.base import CardSlot, Deadline, Readers, ReaderState, TokenSlot
from drivers.errors import (
    CardAbsentError,
    CardUnknownError,
    DriverError,
    ModuleAbsentError,
    ModuleCrashedError,
    ModuleTimeoutError,
    ReaderAbsentError,
)
from drivers.pkcs11 import wire
from drivers.pkcs11.locations import find_modules
from drivers.pkcs11.process import Worker
from drivers.pkcs11.reader import CardReader
from drivers.pkcs11.token import Pkcs11Token, Place, open_token
from drivers.pkcs11.workers import ModuleWorkers

DESCRIPTION_LENGTH = 64  # CK_SLOT_INFO.slotDescription, in bytes


class CardModules:
    """The modules that may open a card in a PC/SC reader: those named, and those installed at known places."""

    def __init__(self, workers: ModuleWorkers) -> None:
        self._workers = workers

    def open(self, reader: CardSlot, deadline: Deadline) -> Pkcs11Token:
        """Open the card of that reader through the first module that can.

        Raises ModuleAbsentError when there is none, else what the first one that failed or the last one said.
        """
        failure: DriverError = ModuleAbsentError("no PKCS#11 module is installed, or named in the settings")
        for module in find_modules(self._workers.named):
            worker = Worker(module, self._workers)
            try:
                return self._open(worker, reader, deadline)
            except DriverError as error:
                worker.end()
                if not isinstance(failure, ModuleCrashedError | ModuleTimeoutError):
                    failure = error
        raise failure

    def _open(self, worker: Worker, reader: CardSlot, deadline: Deadline) -> Pkcs11Token:
        states = list_slots(worker, Deadline(min(self._workers.list_timeout_s, deadline.remaining_s)))
        found = [each for each in states if each.removable and is_description_of(each.description, reader.name)]
        if not found:
            raise CardUnknownError(f"{worker.module.name} does not see this reader")
        if is_cut(reader.name) and len({each.serial for each in found}) > 1:
            raise CardUnknownError(f"{worker.module.name} does not tell readers of so long a name apart")
        if found[0].serial is None:
            raise CardUnknownError(f"{worker.module.name} does not know this card")
        return open_token(Place(worker, found[0].slot, CardReader(reader)), self._workers.use_timeout_s, deadline)


def is_description_of(description: str, reader: str) -> bool:
    """Whether a slot's description is the PC/SC reader's name, which the module may have cut to 64 bytes.

    python-pkcs11 puts U+FFFD for a character that was cut in two; the module may have left it out.
    """
    name = reader.encode()[:DESCRIPTION_LENGTH]
    return description.strip() in {name.decode(errors=way).strip() for way in ("replace", "ignore")}


def is_cut(reader: str) -> bool:
    """Whether descriptions leave out the end of the reader's name, which alone may tell it from its neighbour."""
    return len(reader.encode()) > DESCRIPTION_LENGTH


def list_slots(worker: Worker, deadline: Deadline) -> list[wire.SlotState]:
    """The slots of a module. Raises the three Module…Errors."""
    answer = worker.call(wire.ListSlots(), deadline)
    return answer.slots if isinstance(answer, wire.Slots) else []


class ModuleTokens(Readers):
    """Tokens of named modules that are in no PC/SC reader, such as SoftHSM's; they are looked for once.

    A module that cannot be loaded stands here under its own name, and opening it tells why, or has it looked at again.
    """

    def __init__(self, workers: ModuleWorkers) -> None:
        self._workers = workers
        self._places: dict[str, tuple[Path, int | None]] = {}
        self._outdated = True
        self._changed = threading.Condition()
        self._stopped = False

    def list_states(self) -> tuple[ReaderState, ...]:
        """See Readers."""
        if self._outdated:
            self._outdated = False  # what happens from now on is a reason to look again
            places: dict[str, tuple[Path, int | None]] = {}
            for module in self._workers.named:
                self._list(module, places)
            self._places = places
        return tuple(ReaderState(name, b"", 1) for name in self._places)

    def wait_for_change(self, known: tuple[ReaderState, ...]) -> tuple[ReaderState, ...]:
        """See Readers. Nothing changes but that a module can be used which could not before."""
        while (states := self.list_states()) == known:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._outdated)
                if self._stopped:
                    break
        return states

    def open_slot(self, name: str) -> ModuleSlot:
        """See Readers."""
        if name not in self._places:
            raise ReaderAbsentError(f"no module shows a token {name}")
        module, slot = self._places[name]
        return ModuleSlot(name, Place(Worker(module, self._workers), slot), self)

    def stop(self) -> None:
        """See Readers."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def open(self, place: Place, deadline: Deadline) -> Pkcs11Token:
        """Open the token of a place. Raises the three Module…Errors, CardUnknownError, CardAbsentError."""
        try:
            if place.slot is not None:
                return open_token(place, self._workers.use_timeout_s, deadline)
            list_slots(place.worker, deadline)
        except DriverError:
            place.worker.end()
            raise
        place.worker.end()
        with self._changed:
            self._outdated = True
            self._changed.notify_all()
        raise CardAbsentError(f"{place.worker.module.name} works again; its tokens are looked for")

    def _list(self, module: Path, places: dict[str, tuple[Path, int | None]]) -> None:
        worker = Worker(module, self._workers)
        try:
            slots = list_slots(worker, Deadline(self._workers.list_timeout_s))
        except DriverError:
            places[_free_name(module.name, places)] = (module, None)
            return
        finally:
            worker.end()
        for state in slots:
            if state.serial is not None and not state.removable:
                name = f"{state.label or state.serial} ({module.name})"
                places[_free_name(name, places)] = (module, state.slot)


def _free_name(name: str, taken: Container[str]) -> str:
    """The name, numbered from the second on."""
    numbered = (f"{name} #{number}" for number in itertools.count(2))
    return next(free for free in itertools.chain([name], numbered) if free not in taken)


class ModuleSlot(TokenSlot):
    """A place of ModuleTokens."""

    def __init__(self, name: str, place: Place, tokens: ModuleTokens) -> None:
        self.name = name
        self._place = place
        self._tokens = tokens

    def open_token(self, deadline: Deadline) -> Pkcs11Token:
        """Open the token. Raises the three Module…Errors, CardUnknownError, CardAbsentError."""
        return self._tokens.open(self._place, deadline)
