"""The two keys that a structure signs in with and seals with: they belong together, and are shown so."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drivers.software.roles import Role
from drivers.software.token import SoftwareKey

STRUCTURE_ID = re.compile(r"[0-4][0-9A-Z]{9,14}")
"""The form of an IdNat_Struct, wherever in the subject it stands."""


@dataclass(frozen=True, slots=True)
class Pair:
    """AUTH_CLI and SIGN of one structure. `same_name`: issuer and subject agree, as services ask; else the OU alone."""

    authentication: SoftwareKey
    signature: SoftwareKey
    same_name: bool


def list_pairs(keys: Iterable[SoftwareKey]) -> tuple[Pair, ...]:
    """Pairs of keys in use: first by issuer and subject, then, of what is left, by the structure's identifier.

    Where several could be meant, none is.
    """
    groups: dict[str, dict[Role, SoftwareKey]] = defaultdict(dict)
    for key in keys:
        if key.current and key.role is not None and key.role.lends is not None:
            groups[key.certificate.group][key.role] = key
    whole = [group for group in groups.values() if len(group) == 2]
    halves = [next(iter(group.values())) for group in groups.values() if len(group) == 1]
    named = (Pair(group[Role.AUTH_CLI], group[Role.SIGN], same_name=True) for group in whole)
    return (*named, *_by_structure(halves))


def _by_structure(halves: Iterable[SoftwareKey]) -> Iterator[Pair]:
    found: dict[str, dict[Role | None, list[SoftwareKey]]] = defaultdict(lambda: defaultdict(list))
    for key in halves:
        for unit in set(filter(STRUCTURE_ID.fullmatch, key.certificate.units)):
            found[unit][key.role].append(key)
    for _, roles in sorted(found.items()):
        logins, seals = roles[Role.AUTH_CLI], roles[Role.SIGN]
        if len(logins) == len(seals) == 1:
            yield Pair(logins[0], seals[0], same_name=False)
