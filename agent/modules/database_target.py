"""Setting up one NSS database: the agent's module and the issuing authorities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from agent.modules.authorities import NICKNAME, Authority
from agent.modules.libraries import Installed, Library
from agent.modules.nss import FILES, LoadedModule, NssDatabase
from agent.modules.others import card_libraries
from agent.modules.record import Record
from agent.modules.values import NAME, Action, Finding, Form, ModulesError, Place, State, Step, Target, Trouble


class DatabaseTarget(Target):
    """A profile of Firefox or Thunderbird, or the database that Chromium and its family share.

    `find_running`: the process that has it open, as text, "" for none. `makes_it`: a missing database is made.
    """

    def __init__(  # noqa: PLR0913 - what it needs to know about its place
        self,
        place: Place,
        installed: Installed,
        authorities: tuple[Authority, ...],
        record: Record,
        find_running: Callable[[], str],
        *,
        makes_it: bool = False,
    ) -> None:
        self.place = place
        self._installed = installed
        self._authorities = authorities
        self._record = record
        self._find_running = find_running
        self._makes_it = makes_it
        self._database = NssDatabase(place.path, installed.certutil, installed.modutil)

    def look(self) -> Finding:
        """See Target."""
        try:
            others = card_libraries(module.library for module in self._modules())
            hindrance = self._find_hindrance()
            state = self._state()
        except ModulesError as error:
            return Finding(self.place, State.IMPOSSIBLE, error.trouble, error.detail)
        if hindrance is not None and state is not State.SET_UP:
            running = hindrance.trouble is Trouble.RUNNING
            return Finding(
                self.place, state if running else State.IMPOSSIBLE, hindrance.trouble, hindrance.detail, others
            )
        return Finding(self.place, state, others=others)

    def plan_setup(self) -> Iterator[Step]:
        """See Target."""
        steps = tuple(self._missing_steps())
        hindrance = self._find_hindrance() if steps else None
        if hindrance is not None:
            raise hindrance
        yield from steps

    def plan_removal(self) -> Iterator[Step]:
        """See Target. A database that was made here, and holds nothing else, goes as a whole."""
        steps = tuple(self._removal_steps())
        running = self._find_running() if steps else ""
        if running:
            raise ModulesError(Trouble.RUNNING, running)
        yield from steps

    def _modules(self) -> tuple[LoadedModule, ...]:
        return self._database.list_modules() if self._database.exists else ()

    def _state(self) -> State:
        if not self._database.exists:
            return State.NOT_SET_UP
        here, missing = self._ours(), tuple(self._missing_steps())
        if not missing and self._loads():
            return State.SET_UP
        return State.PARTLY if here else State.NOT_SET_UP

    def _ours(self) -> bool:
        """Whether anything of the agent is there."""
        imported = any(name.startswith(NICKNAME) for name in self._database.list_certificates().values())
        return imported or any(module.name == NAME for module in self._modules())

    def _find_hindrance(self) -> ModulesError | None:
        """Why nothing can be added now."""
        if self.place.form is not Form.SYSTEM:
            return ModulesError(Trouble.BOXED, "")
        if not self._database.exists and not self._makes_it:
            return ModulesError(Trouble.NEVER_STARTED, "")
        if self._installed.library is None:
            return ModulesError(Trouble.LIBRARY_ABSENT, self._installed.wanted)
        running = self._find_running()
        return ModulesError(Trouble.RUNNING, running) if running else None

    def _missing_steps(self) -> Iterator[Step]:
        library = self._installed.library
        exists = self._database.exists
        if not exists:
            yield self._step(Action.MAKE_DATABASE, str(self.place.path), self._make)
        if library is not None and not self._loads():
            add = partial(self._database.add_module, NAME, library)
            yield self._step(Action.ADD_MODULE, str(library), add)
        known = self._database.list_certificates() if exists else {}
        for authority in self._authorities:
            if authority.der not in known:
                add = partial(self._database.import_certificate, authority.nickname, authority.der)
                yield self._step(Action.IMPORT_CERTIFICATE, authority.name, add)

    def _loads(self) -> bool:
        """Whether programs have the agent through this database, by the module of ours or by one that somebody added.

        The proxy module, as some distributions add it, has the agent by the module file.
        """
        names = {module.name: Path(module.library).name for module in self._modules()}
        if NAME in names:
            return LoadedModule(NAME, str(self._installed.library)) in self._modules()
        return bool({Library.PROXY, Library.CLIENT} & set(names.values()))

    def _removal_steps(self) -> Iterator[Step]:
        if not self._database.exists:
            return
        for module in self._modules():
            if module.name == NAME:
                delete = partial(self._database.delete_module, NAME)
                yield self._step(Action.REMOVE_MODULE, module.library, delete)
        for nickname in self._database.list_certificates().values():
            if nickname.startswith(NICKNAME):
                delete = partial(self._database.delete_certificate, nickname)
                yield self._step(Action.REMOVE_CERTIFICATE, nickname.removeprefix(NICKNAME), delete)
        if self.place.path / FILES[0] in self._record:
            yield self._step(Action.REMOVE_DATABASE, str(self.place.path), self._unmake)

    def _step(self, action: Action, detail: str, apply: Callable[[], None]) -> Step:
        """A step that looks once more whether the program runs: a person may have thought about the plan for long."""

        def guarded() -> None:
            running = self._find_running()
            if running:
                raise ModulesError(Trouble.RUNNING, running)
            apply()

        return Step(self.place, action, detail, guarded)

    def _make(self) -> None:
        if self._database.exists:
            return
        try:
            self._record.make_folders(self.place.path)
        except OSError as error:
            raise ModulesError(Trouble.UNWRITABLE, f"{self.place.path}: {error.strerror}") from error
        self._record.add(self.place.path / FILES[0])
        self._database.create()

    def _unmake(self) -> None:
        """Take the database away again unless somebody has used it since."""
        if self._database.exists and self._database.holds_nothing():
            for name in FILES:
                (self.place.path / name).unlink(missing_ok=True)
        self._record.forget(self.place.path / FILES[0])
        self._record.remove_folders()
