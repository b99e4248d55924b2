"""Which drivers this workstation can use, and why not the others. Each is imported only when it is asked for."""

from __future__ import annotations

from pathlib import Path

from drivers.base import Readers, ReaderState, Slot
from drivers.errors import ServiceStoppedError


def open_pcsc_readers() -> Readers:
    """The workstation's PC/SC readers, or readers that tell why there are none."""
    try:
        from drivers.pcsc.readers import PcscReaders  # noqa: PLC0415 - needs a system library
    except ImportError as error:
        return UnavailableReaders(f"not available: {error}")
    return PcscReaders()


def open_virtual_readers(data_dir: Path) -> Readers:
    """One reader in this process with the virtual card of the data folder in it. Raises DriverError."""
    from drivers.virtual.link import VirtualReaders  # noqa: PLC0415 - only where test cards are wanted
    from drivers.virtual.store import open_card  # noqa: PLC0415

    return VirtualReaders([open_card(data_dir)])


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
