"""Which tests run in one process when there are several (pytest-xdist)."""

from __future__ import annotations

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("installer", "browser", "logins", "programs", "peers")
"""Folders whose tests share what is costly to make: a package, a browser, a screen with cards, a workstation."""


class FolderScheduling(LoadScopeScheduling):
    """The tests of a file stay together, in their order; and those of such a folder."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = find_folder(file)
        return folder if folder in TOGETHER else file


def find_folder(file: str) -> str:
    """The part of the suite that a file belongs to: `tests/browser/…` to browser."""
    return PurePosixPath(file).parts[1]
