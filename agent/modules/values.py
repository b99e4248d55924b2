"""The values of setting programs up: places, what was found there, and steps that change one thing each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

NAME = "CPS agent"
"""What the agent's PKCS#11 module is called in the databases and policies of programs."""


class Kind(StrEnum):
    """What a place belongs to."""

    P11_KIT = "p11-kit"
    FIREFOX = "firefox"
    THUNDERBIRD = "thunderbird"
    CHROMIUM = "chromium"
    OPENSSH = "openssh"
    FIREFOX_POLICY = "firefox-policy"
    CHROMIUM_POLICY = "chromium-policy"


class Form(StrEnum):
    """How a program was installed: a box keeps it from libraries and sockets of the system."""

    SYSTEM = "system"
    SNAP = "snap"
    FLATPAK = "flatpak"


class State(StrEnum):
    """How far a place is set up."""

    SET_UP = "set-up"
    PARTLY = "partly"
    NOT_SET_UP = "not-set-up"
    IMPOSSIBLE = "impossible"


class Trouble(StrEnum):
    """Why a place cannot be set up, or a step was not done."""

    RUNNING = "running"
    BOXED = "boxed"
    NEVER_STARTED = "never-started"
    LIBRARY_ABSENT = "library-absent"
    TOOL_ABSENT = "tool-absent"
    TOOL_FAILED = "tool-failed"
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"
    UNWRITABLE = "unwritable"
    FOREIGN = "foreign"
    ROOT_IGNORED = "root-ignored"


STANDING: Final = frozenset({Trouble.BOXED, Trouble.NEVER_STARTED})
"""What no other run would do better: no failure of this one."""


class Action(StrEnum):
    """What a step does to one thing."""

    WRITE_FILE = "write-file"
    REMOVE_FILE = "remove-file"
    MAKE_DATABASE = "make-database"
    REMOVE_DATABASE = "remove-database"
    ADD_MODULE = "add-module"
    REMOVE_MODULE = "remove-module"
    IMPORT_CERTIFICATE = "import-certificate"
    REMOVE_CERTIFICATE = "remove-certificate"
    CHANGE_SETTING = "change-setting"
    REMOVE_SETTING = "remove-setting"


class ModulesError(Exception):
    """A place cannot be read or changed; `detail` names the file, the process or what a tool said."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(f"{trouble}: {detail}")
        self.trouble = trouble
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Place:
    """One thing that can be set up: a file, or a folder with a database. `owner`: the program's own name for it."""

    kind: Kind
    path: Path
    form: Form = Form.SYSTEM
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of one thing; `apply` may be called again when it was done before. Raises ModulesError."""

    place: Place
    action: Action
    detail: str
    apply: Callable[[], None] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a place is like. `others`: libraries there that would show the same card a second time."""

    place: Place
    state: State
    trouble: Trouble | None = None
    detail: str = ""
    others: tuple[str, ...] = ()


class Target(ABC):
    """A place that knows how to be set up, and back."""

    place: Place

    @abstractmethod
    def look(self) -> Finding:
        """What is there now; never raises."""

    @abstractmethod
    def plan_setup(self) -> Iterator[Step]:
        """What is missing; nothing where all is done. Raises ModulesError."""

    @abstractmethod
    def plan_removal(self) -> Iterator[Step]:
        """What of the agent is there. Raises ModulesError."""
