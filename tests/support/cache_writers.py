"""Writers of the card cache that may be killed at any moment: `python cache_writers.py DB`, then one line a writer.

A process that has loaded everything forks one writer for each line it reads, tells its number, and waits for its end.
The writer saves profiles through the real cache and database, and tells each once it is on the disk.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from itertools import count
from pathlib import Path

from agent.access.database import Database
from agent.certificates.cache import CardCache
from drivers.base import KeyRole
from drivers.card.profile import CardKey, CardProfile, PinFile

CARDS = 25
LONG = 3000
"""Bytes of a certificate: a profile is written over more than one page of the database."""


def make_profile(number: str, version: int) -> CardProfile:
    """A profile that says by its label which version of it it is."""
    key = CardKey(b"k", "key", KeyRole.SIGNATURE, 1, True, {"sha256": 1}, b"\x3f\x00", version.to_bytes(4) * LONG)
    return CardProfile(number, "CPS3", str(version), b"\x3f\x00", PinFile(1, 4, 8), None, (key,))


def version_of(profile: CardProfile) -> int:
    """The version, checked against the whole of the profile."""
    assert profile == make_profile(profile.number, int(profile.label))
    return int(profile.label)


async def write(path: Path, first: int) -> None:
    """Save one version after the other until killed."""
    database = Database(path)
    await database.open()
    cache = CardCache(database)
    await cache.open()
    for version in count(first):
        number = f"{version % CARDS:08}"
        cache.save(make_profile(number, version))
        await cache.close()  # waits for what was saved until now
        os.write(1, f"saved {version}\n".encode())


def main() -> None:
    """Fork a writer for each line, which is the first version to save."""
    path = Path(sys.argv[1])
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for line in sys.stdin:
        writer = os.fork()
        if not writer:
            asyncio.run(write(path, int(line)))
        os.write(1, f"writer {writer}\n".encode())
        os.waitpid(writer, 0)
        os.write(1, b"ended\n")


if __name__ == "__main__":
    main()
