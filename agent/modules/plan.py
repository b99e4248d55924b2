"""All places of one user, or of the machine; what is to be done there, and doing it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.modules import chromium, mozilla
from agent.modules.address import Door, find_door
from agent.modules.authorities import Authority
from agent.modules.database_target import DatabaseTarget
from agent.modules.kit import KitFile
from agent.modules.libraries import Installed, find_installed
from agent.modules.record import Record
from agent.modules.ssh import SshConfig
from agent.modules.surroundings import Surroundings
from agent.modules.values import Finding, ModulesError, Place, Step, Target

if sys.platform != "win32":
    import fcntl


@dataclass(frozen=True, slots=True)
class Failure:
    """A place, or one step there, that could not be done."""

    place: Place
    error: ModulesError
    step: Step | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change, and the places that cannot be looked at or changed now."""

    steps: tuple[Step, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that was found for one user: the door, the libraries, and the places in their order."""

    where: Surroundings
    door: Door
    installed: Installed
    targets: tuple[Target, ...]

    def look(self) -> tuple[Finding, ...]:
        """What each place is like."""
        return tuple(target.look() for target in self.targets)

    def plan_setup(self) -> Plan:
        """What is missing everywhere."""
        return _collect(self.targets, lambda target: target.plan_setup())

    def plan_removal(self) -> Plan:
        """What of the agent is anywhere; last made, first removed."""
        return _collect(reversed(self.targets), lambda target: target.plan_removal())


def find_desk(where: Surroundings, authorities: tuple[Authority, ...], *, ssh: bool = False) -> Desk:
    """Look for every place of this user; ssh_config among them where that is asked for, or was."""
    door = find_door(where)
    installed = find_installed(door, where.machine)
    record = Record(where.memory)
    targets: list[Target] = [KitFile.of_user(door.path, where, record)]
    for place in mozilla.find_profiles(where):
        running = partial(mozilla.find_running, place.path)
        targets.append(DatabaseTarget(place, installed, authorities, record, running))
    shared = chromium.is_installed(where)
    for place in chromium.find_databases(where):
        running = partial(chromium.find_running, where)
        targets.append(DatabaseTarget(place, installed, authorities, record, running, makes_it=shared))
    config = SshConfig(installed, where, record, wanted=ssh)
    if ssh or config.is_there():
        targets.append(config)
    return Desk(where, door, installed, tuple(targets))


def apply(plan: Plan) -> Iterator[Failure | Step]:
    """Do each step, and give it, or why it failed; the rest of a place where one failed is left for the next time."""
    failed: set[Place] = set()
    for step in plan.steps:
        if step.place in failed:
            continue
        try:
            step.apply()
        except ModulesError as error:
            failed.add(step.place)
            yield Failure(step.place, error, step)
        else:
            yield step


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other run changes anything for this user; the system lets go when a run ends, however it ends."""
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _collect(targets: Iterable[Target], plan: Callable[[Target], Iterator[Step]]) -> Plan:
    steps: list[Step] = []
    failures: list[Failure] = []
    for target in targets:
        try:
            steps += plan(target)
        except ModulesError as error:
            failures.append(Failure(target.place, error))
    return Plan(tuple(steps), tuple(failures))
