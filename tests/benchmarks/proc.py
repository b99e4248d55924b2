"""What Linux tells of a process in /proc."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Memory:
    """Megabytes: all that is mapped in, its fair share, and what is this process's alone (proc_pid_smaps(5))."""

    resident: float
    share: float
    own: float


def read_memory(pid: int) -> Memory:
    """smaps_rollup of a process."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kib = {name: int(number) for name, number in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}
    return Memory(kib["Rss"] / 1024, kib["Pss"] / 1024, (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024)


def read_switches(pid: int) -> dict[str, int]:
    """Context switches of each thread so far, by its number and name."""
    counts = {}
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        text = status.read_text()
        name = re.findall(r"^Name:\s+(.*)$", text, re.MULTILINE)[0]
        counts[f"{status.parent.name} {name}"] = sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", text)))
    return counts


def children(pid: int) -> list[int]:
    """Processes that this one has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        if parent == pid:
            found.append(int(stat.parent.name))
    return found
