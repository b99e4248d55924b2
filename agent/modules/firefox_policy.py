"""Firefox of every user of the machine: /etc/firefox/policies/policies.json, which others may have written as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from agent.modules.files import read_text, remove_file, write_file
from agent.modules.others import card_libraries
from agent.modules.policies import (
    ADDED,
    CERTIFICATES,
    DEVICES,
    PATIENCE,
    Policies,
    device,
    find,
    read_policies,
    with_certificates,
    with_device,
    with_patience,
    without_ours,
    write_policies,
)
from agent.modules.record import Record
from agent.modules.surroundings import Surroundings
from agent.modules.values import NAME, Action, Finding, Kind, ModulesError, Place, State, Step, Target, Trouble

FILE: Final = "etc/firefox/policies/policies.json"
HIDDEN: Final = ("usr/lib/firefox-esr", "usr/lib/firefox", "usr/lib64/firefox", "opt/firefox")
"""Where a policies.json of the distribution may stand: Firefox reads it no more once there is one in /etc."""


class FirefoxPolicy(Target):
    """The policies of Firefox: the agent's library, more time for a handshake, and authorities where that is wanted."""

    def __init__(
        self, library: Path | None, authorities: Sequence[Path], where: Surroundings, record: Record, *, trust: bool
    ) -> None:
        """`authorities`: files of the agent that the policy may name; `trust`: whether setting up adds them."""
        self.place = Place(Kind.FIREFOX_POLICY, where.machine / FILE)
        self._library = library
        self._authorities = tuple(map(str, authorities))
        self._trust = trust
        self._machine = where.machine
        self._record = record

    def look(self) -> Finding:
        """See Target."""
        try:
            content = self._read()
            hindrance = self._find_hindrance()
        except ModulesError as error:
            return Finding(self.place, State.IMPOSSIBLE, error.trouble, error.detail)
        here = device(content)
        if hindrance is not None and here is None:
            return Finding(self.place, State.IMPOSSIBLE, hindrance.trouble, hindrance.detail)
        state = State.NOT_SET_UP if here is None else State.SET_UP
        if here is not None and here != str(self._library):
            state = State.PARTLY
        return Finding(self.place, state, others=card_libraries(_libraries(content)))

    def plan_setup(self) -> Iterator[Step]:
        """See Target."""
        content = self._read()
        changes = _changes(content, self._with_ours(content))
        if not changes:
            return
        hindrance = self._find_hindrance()
        if hindrance is not None:
            raise hindrance
        yield Step(self.place, Action.CHANGE_SETTING, changes, self._set_up)

    def plan_removal(self) -> Iterator[Step]:
        """See Target."""
        content = self._read()
        changes = _changes(self._without_ours(content), content)
        if changes:
            yield Step(self.place, Action.REMOVE_SETTING, changes, self._take_back)

    def _read(self) -> Policies:
        return read_policies(read_text(self.place.path), self.place.path)

    def _with_ours(self, content: Policies) -> Policies:
        changed = with_device(content, str(self._library)) if self._library else content
        return with_certificates(with_patience(changed), self._authorities if self._trust else ())

    def _without_ours(self, content: Policies) -> Policies:
        return without_ours(content, self._original(), self._authorities)

    def _original(self) -> Policies:
        return read_policies(self._record.original(self.place.path), self.place.path)

    def _find_hindrance(self) -> ModulesError | None:
        if self._library is None:
            return ModulesError(Trouble.LIBRARY_ABSENT, "p11-kit-client.so")
        hidden = [self._machine / folder / "distribution/policies.json" for folder in HIDDEN]
        there = next((path for path in hidden if path.is_file()), None)
        if there is not None and not self.place.path.exists():
            return ModulesError(Trouble.FOREIGN, f"{there} would count no more; copy it to {self.place.path} first")
        return None

    def _set_up(self) -> None:
        text = read_text(self.place.path)
        content = read_policies(text, self.place.path)
        wanted = self._with_ours(content)
        if wanted != content:
            if text is not None:
                self._record.keep_original(self.place.path, text)
            write_file(self.place.path, write_policies(wanted), self._record)

    def _take_back(self) -> None:
        """The file as it was, to the byte, where nobody else has changed it since."""
        content = self._read()
        left, original = self._without_ours(content), self._record.original(self.place.path)
        if original is not None and left == self._original():
            write_file(self.place.path, original, self._record)
        elif original is None and left in ({}, {"policies": {}}):
            remove_file(self.place.path, self._record)
        elif left != content:
            write_file(self.place.path, write_policies(left), self._record)
        self._record.forget_original(self.place.path)
        self._record.remove_folders()


def _changes(less: Policies, more: Policies) -> str:
    """What the one has and the other has not, by the names of the policies."""
    names = [f"SecurityDevices ({NAME})"] if device(less) != device(more) else []
    names += [f"{way[1]} ({way[2]})" for way in (PATIENCE, CERTIFICATES) if find(less, way) != find(more, way)]
    return ", ".join(names)


def _libraries(content: Policies) -> list[str]:
    values = [value for way in (ADDED, DEVICES) for value in (find(content, way) or {}).values()]
    return [value for value in values if isinstance(value, str)]
