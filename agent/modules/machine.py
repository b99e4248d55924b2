"""Every user of the machine at once: files below /etc, which root writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.modules.address import Door
from agent.modules.authorities import Authority
from agent.modules.firefox_policy import FirefoxPolicy
from agent.modules.kit import KitFile
from agent.modules.libraries import find_installed
from agent.modules.plan import Desk
from agent.modules.record import Record
from agent.modules.surroundings import Surroundings
from agent.modules.values import Target
from agent.modules.whole_files import AUTHORITIES, authority_files, chromium_policies

MEMORY: Final = "var/lib/cps-agent"
NOBODY: Final = Path("/nonexistent")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What an administrator asks for beside the module.

    `sites`: where a certificate is chosen without asking, `issuers`: common names of those that issued it. `trust`:
    Firefox imports the authorities, and trusts them for servers as well.
    """

    sites: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    trust: bool = False


def find_machine_desk(machine: Path, authorities: tuple[Authority, ...], wishes: Wishes) -> Desk:
    """Look for every place of the machine below the root of its file system. Each user's client finds their agent."""
    where = Surroundings(machine / "etc", NOBODY, NOBODY, machine / MEMORY, NOBODY, NOBODY, machine)
    door = Door(NOBODY, answers=False, common=NOBODY, common_holder=0, common_is_ours=False)
    installed = find_installed(door, machine)
    record = Record(where.memory, folder_mode=0o755)
    files = [machine / AUTHORITIES / authority.file_name for authority in authorities]
    targets: list[Target] = [
        KitFile.of_machine(where, record),
        *authority_files(where, authorities, record, wanted=wishes.trust),
        FirefoxPolicy(installed.client, files, where, record, trust=wishes.trust),
        *chromium_policies(where, wishes.sites, wishes.issuers, record),
    ]
    return Desk(where, door, installed, tuple(targets))
