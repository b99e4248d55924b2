"""The module file of p11-kit: GnuTLS, p11tool and the proxy module find the agent by it (pkcs11.conf(5))."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.modules.address import to_address
from agent.modules.files import read_text, remove_file, write_file
from agent.modules.others import p11_kit_card_libraries
from agent.modules.record import Record
from agent.modules.surroundings import Surroundings
from agent.modules.values import Action, Finding, Kind, ModulesError, Place, State, Step, Target, Trouble

FILE: Final = "cps-agent.module"
HEAD: Final = "# Written by: cps-agent modules setup. Undone by: cps-agent modules remove\n"
GUARD: Final = "disable-in: p11-kit-server p11-kit-remote cps-agent\n"
"""p11-kit's own server would connect to itself without end where it holds the default path, and the agent to itself."""


class KitFile(Target):
    """One module file that is the agent's as a whole."""

    def __init__(self, path: Path, content: str, where: Surroundings, record: Record) -> None:
        self.place = Place(Kind.P11_KIT, path)
        self._content = content
        self._where = where
        self._record = record

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
        others = p11_kit_card_libraries(self._where)
        try:
            content = read_text(self.place.path)
        except ModulesError as error:
            return Finding(self.place, State.IMPOSSIBLE, error.trouble, error.detail, others)
        if self._is_ignored:
            return Finding(self.place, State.IMPOSSIBLE, Trouble.ROOT_IGNORED, "", others)
        if content is None:
            return Finding(self.place, State.NOT_SET_UP, others=others)
        return Finding(self.place, State.SET_UP if content == self._content else State.PARTLY, others=others)

    def plan_setup(self) -> Iterator[Step]:
        """See Target."""
        if not self._is_ignored and read_text(self.place.path) != self._content:
            detail = self._content.removeprefix(HEAD).partition("\n")[0]
            yield Step(self.place, Action.WRITE_FILE, detail, self._write)

    def plan_removal(self) -> Iterator[Step]:
        """See Target. A file of this name is the agent's, whatever was changed in it."""
        if self.place.path.exists() or self.place.path.is_symlink():
            yield Step(self.place, Action.REMOVE_FILE, "", lambda: remove_file(self.place.path, self._record))

    @property
    def _is_ignored(self) -> bool:
        """p11-kit reads no files of root's own (seen with 0.24.1)."""
        return self._where.is_root and self.place.path.is_relative_to(self._where.config)

    def _write(self) -> None:
        write_file(self.place.path, self._content, self._record)
