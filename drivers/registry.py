"""Which drivers this workstation can use, and why not the others. Each is imported only when it is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.base import Readers, ReaderState, Slot
from drivers.errors import ServiceStoppedError
from drivers.pkcs11.workers import ModuleWorkers
from drivers.virtual.names import DEFAULT_KIND

if TYPE_CHECKING:
    from drivers.pkcs11.modules import CardModules


def open_pcsc_readers(*, use_pads: bool = True) -> Readers:
    """The workstation's PC/SC readers, with their keys or without, or readers that tell why there are none."""
    try:
        from drivers.pcsc.readers import PcscReaders  # noqa: PLC0415 - needs a system library
    except ImportError as error:
        return UnavailableReaders(f"not available: {error}")
    return PcscReaders(use_pads=use_pads)


def open_virtual_readers(data_dir: Path, kinds: Sequence[str] = (DEFAULT_KIND,)) -> Readers:
    """A reader in this process for each kind of virtual card, with the data folder's card of that kind in it.

    Raises DriverError, KeyError for an unknown kind.
    """
    from drivers.virtual.kinds import open_card_of_kind  # noqa: PLC0415 - only where test cards are wanted
    from drivers.virtual.link import VirtualReaders  # noqa: PLC0415

    with contextlib.ExitStack() as stack:
        readers = VirtualReaders([stack.enter_context(open_card_of_kind(data_dir, kind)) for kind in kinds])
        stack.pop_all()  # from here on the cards are in use until this process ends
    return readers


def open_module_tokens(workers: ModuleWorkers) -> Readers:
    """Tokens of the modules that are named, those that are in no PC/SC reader."""
    from drivers.pkcs11.modules import ModuleTokens  # noqa: PLC0415 - only where modules are named

    return ModuleTokens(workers)


def open_card_modules(workers: ModuleWorkers) -> CardModules:
    """The modules that may open a card in a PC/SC reader: those named, and those installed at known places."""
    from drivers.pkcs11.modules import CardModules  # noqa: PLC0415 - only for cards without a direct way

    return CardModules(workers)


class UnavailableReaders(Readers):
    """Stand where a driver cannot be loaded: every call gives the reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def list_states(self) -> tuple[ReaderState, ...]:
        """Raise the reason."""
        raise ServiceStoppedError(self.reason)

    def wait_for_change(self, known: tuple[ReaderState, ...]) -> tuple[ReaderState, ...]:  # noqa: ARG002 - the seam
        """Raise the reason."""
        raise ServiceStoppedError(self.reason)

    def open_slot(self, name: str) -> Slot:  # noqa: ARG002 - the seam
        """Raise the reason."""
        raise ServiceStoppedError(self.reason)

    def stop(self) -> None:
        """Nothing waits."""
