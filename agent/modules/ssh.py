"""OpenSSH: the module in this user's ssh_config, where that is asked for; a part between two marks is the agent's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.modules.files import read_text, remove_file, write_file
from agent.modules.libraries import Installed
from agent.modules.record import Record
from agent.modules.surroundings import Surroundings
from agent.modules.values import Action, Finding, Kind, ModulesError, Place, State, Step, Target, Trouble

FILE: Final = ".ssh/config"
BEGIN: Final = "# cps-agent modules: begin\n"
END: Final = "# cps-agent modules: end\n"


class SshConfig(Target):
    """The part stands at the end, under its own `Host *`: of several values OpenSSH takes the first (ssh_config(5)).

    `wanted`: whether setting up writes it.
    """

    def __init__(self, installed: Installed, where: Surroundings, record: Record, *, wanted: bool) -> None:
        self.place = Place(Kind.OPENSSH, where.home / FILE)
        self._library = installed.library
        self._wanted = wanted
        self._record = record

    def is_there(self) -> bool:
        """Whether the file has the agent's part; never raises."""
        try:
            return BEGIN in (read_text(self.place.path) or "")
        except ModulesError:
            return False

    def look(self) -> Finding:
        """See Target."""
        try:
            text = read_text(self.place.path) or ""
        except ModulesError as error:
            return Finding(self.place, State.IMPOSSIBLE, error.trouble, error.detail)
        if self._library is None:
            return Finding(self.place, State.IMPOSSIBLE, Trouble.LIBRARY_ABSENT, "p11-kit-client.so")
        if self._part() in text:
            return Finding(self.place, State.SET_UP)
        return Finding(self.place, State.PARTLY if BEGIN in text else State.NOT_SET_UP)

    def plan_setup(self) -> Iterator[Step]:
        """See Target."""
        if not self._wanted or self._part() in (read_text(self.place.path) or ""):
            return
        if self._library is None:
            raise ModulesError(Trouble.LIBRARY_ABSENT, "p11-kit-client.so")
        yield Step(self.place, Action.CHANGE_SETTING, f"Host *: PKCS11Provider {self._library}", self._write)

    def plan_removal(self) -> Iterator[Step]:
        """See Target."""
        if BEGIN in (read_text(self.place.path) or ""):
            yield Step(self.place, Action.REMOVE_SETTING, "Host *: PKCS11Provider", self._take_back)

    def _part(self) -> str:
        return f'{BEGIN}Host *\n    PKCS11Provider "{self._library}"\n{END}'

    def _write(self) -> None:
        text = read_text(self.place.path)
        kept = _without_part(text or "")
        if text is not None and BEGIN not in text:
            self._record.keep_original(self.place.path, text)
        gap = "\n" if kept and not kept.endswith("\n") else ""
        write_file(self.place.path, kept + gap + self._part(), self._record)

    def _take_back(self) -> None:
        """The file as it was, to the byte, where nobody else has changed it since."""
        left = _without_part(read_text(self.place.path) or "")
        original = self._record.original(self.place.path)
        if original is not None and left.rstrip("\n") == original.rstrip("\n"):
            left = original
        if left or original is not None:
            write_file(self.place.path, left, self._record)
        else:
            remove_file(self.place.path, self._record)
        self._record.forget_original(self.place.path)
        self._record.remove_folders()


def _without_part(text: str) -> str:
    """The text without the agent's part; one whose end was cut off ends where the text does."""
    before, begin, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + after if begin else text
