"""What Firefox's policies.json holds, and what of it is the agent's: pure, the file may be anybody's as well."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Any, Final

from agent.modules.values import NAME, ModulesError, Trouble

Policies = dict[str, Any]
Way = tuple[str, ...]

DEVICES: Final = ("policies", "SecurityDevices")
ADDED: Final = (*DEVICES, "Add")
CERTIFICATES: Final = ("policies", "Certificates", "Install")
PATIENCE: Final = ("policies", "Preferences", "network.http.tls-handshake-timeout")
PATIENCE_VALUE: Final = {"Value": 300, "Status": "default"}
"""Firefox gives up after 30 s: too short for a code that is typed and a certificate that is chosen."""
OBJECTS: Final = (DEVICES[:1], DEVICES, ADDED, CERTIFICATES[:2], PATIENCE[:2])


def read_policies(text: str | None, path: object) -> Policies:
    """The content of policies.json, empty where there is no file. Raises ModulesError for what Firefox would not read.

    A name that stands twice is refused: writing it back would lose one of the two.
    """
    try:
        content = json.loads(text or "{}", object_pairs_hook=_unique)
        write_policies(copy.deepcopy(content))  # what is too deep for that is found before anything is changed
    except (ValueError, RecursionError) as error:
        raise ModulesError(Trouble.DAMAGED, f"{path}: {error}") from error
    fits = isinstance(content, dict) and all(isinstance(find(content, way), dict | None) for way in OBJECTS)
    if not fits or not isinstance(find(content, CERTIFICATES), list | None):
        raise ModulesError(Trouble.DAMAGED, f"{path} holds no policies as Firefox has them")
    return dict(content)


def write_policies(content: Policies) -> str:
    """The content as people write it."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def with_device(content: Policies, library: str) -> Policies:
    """Every Firefox loads the library. The older form of the policy, names without "Add", is kept where it is used."""
    devices = find(content, DEVICES) or {}
    old_form = bool(devices) and not {"Add", "Delete"} & set(devices)
    return _put(content, (*(DEVICES if old_form else ADDED), NAME), library)


def with_patience(content: Policies) -> Policies:
    """Every Firefox waits for a person, unless somebody has decided otherwise."""
    return content if find(content, PATIENCE) is not None else _put(content, PATIENCE, dict(PATIENCE_VALUE))


def with_certificates(content: Policies, files: Iterable[str]) -> Policies:
    """Every Firefox imports the certificates of these files; it trusts them for servers as well (seen in ESR 153)."""
    known = find(content, CERTIFICATES) or []
    missing = [file for file in files if file not in known]
    return _put(content, CERTIFICATES, [*known, *missing]) if missing else content


def without_ours(content: Policies, original: Policies, files: Iterable[str]) -> Policies:
    """What is left when everything of the agent is taken out; what stood in the original stays."""
    left = _drop(content, (*ADDED, NAME), original)
    left = _drop(left, (*DEVICES, NAME), original)
    if find(left, PATIENCE) == PATIENCE_VALUE:
        left = _drop(left, PATIENCE, original)
    installed, before = find(left, CERTIFICATES) or [], find(original, CERTIFICATES) or []
    kept = [file for file in installed if file in before or file not in set(files)]
    if kept != installed:
        left = _put(left, CERTIFICATES, kept) if kept else _drop(left, CERTIFICATES, original)
    return left


def device(content: Policies) -> str | None:
    """The library that is the agent's here."""
    found = find(content, (*ADDED, NAME)) or find(content, (*DEVICES, NAME))
    return None if found is None else str(found)


def find(content: Any, way: Way) -> Any:
    """What stands at the end of these names, None where there is nothing."""
    for name in way:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def _put(content: Policies, way: Way, value: object) -> Policies:
    changed = copy.deepcopy(content)
    inner = changed
    for name in way[:-1]:
        inner = inner.setdefault(name, {})
    inner[way[-1]] = value
    return changed


def _drop(content: Policies, way: Way, original: Policies) -> Policies:
    """Without one member, nor the objects around it that are empty then; each stays where the original had it."""
    changed = copy.deepcopy(content)
    for end in range(len(way), 0, -1):
        here, value = way[:end], find(changed, way[:end])
        if value is None or find(original, here) is not None or (end < len(way) and value):
            break
        del find(changed, here[:-1])[here[-1]]
    return changed


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found
