"""The module file of p11-kit: GnuTLS, p11tool and the proxy module find the agent by it (pkcs11.conf(5))."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from agent.modules.address import to_address
from agent.modules.others import p11_kit_card_libraries
from agent.modules.record import Record
from agent.modules.surroundings import Surroundings
from agent.modules.values import Finding, Kind, Place, State, Step, Trouble
from agent.modules.whole_files import WholeFile

FILE: Final = "cps-agent.module"
HEAD: Final = "# Written by: cps-agent modules setup. Undone by: cps-agent modules remove\n"
GUARD: Final = "disable-in: p11-kit-server p11-kit-remote cps-agent\n"
"""p11-kit's own server would connect to itself without end where it holds the default path, and the agent to itself."""


class KitFile(WholeFile):
    """One module file that is the agent's as a whole."""

    def __init__(self, path: Path, content: str, where: Surroundings, record: Record) -> None:
        detail = content.removeprefix(HEAD).partition("\n")[0]
        super().__init__(Place(Kind.P11_KIT, path), content, detail, record)
        self._where = where

    @classmethod
    def of_user(cls, address: Path, where: Surroundings, record: Record) -> KitFile:
        """For this user: the agent's own address, which nobody else can take."""
        content = f"{HEAD}remote: {to_address(address)}\n{GUARD}"
        return cls(where.config / "pkcs11" / "modules" / FILE, content, where, record)

    @classmethod
    def of_machine(cls, where: Surroundings, record: Record) -> KitFile:
        """For every user: p11-kit expands nothing in an address, but its client finds the path of each user."""
        content = f"{HEAD}module: p11-kit-client.so\n{GUARD}"
        return cls(where.machine / "etc/pkcs11/modules" / FILE, content, where, record)

    def look(self) -> Finding:
        """See Target."""
        found = replace(super().look(), others=p11_kit_card_libraries(self._where))
        if found.trouble is None and self._is_ignored:
            return replace(found, state=State.IMPOSSIBLE, trouble=Trouble.ROOT_IGNORED)
        return found

    def plan_setup(self) -> Iterator[Step]:
        """See Target."""
        return iter(()) if self._is_ignored else super().plan_setup()

    @property
    def _is_ignored(self) -> bool:
        """p11-kit reads no files of root's own (seen with 0.24.1)."""
        return self._where.is_root and self.place.path.is_relative_to(self._where.config)
