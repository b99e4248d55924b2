"""The test root whose key this data folder made: the only cards that a script may unlock chain to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivers.virtual.authorities import TestAuthorities

FOLDER = Path("virtual") / "pki"


class TestRoot:
    """Look at the folder when asked: the virtual card may be made while the agent runs. Never creates anything."""

    __test__ = False  # the name begins as pytest's test classes do

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER
        self._known: tuple[object, TestAuthorities | None] = (None, None)

    def vouches_for(self, certificate_der: bytes) -> bool:
        """Whether a certificate was issued under this folder's own test root."""
        pki = self._load()
        return pki is not None and pki.vouches_for(certificate_der)

    def authorities_der(self) -> tuple[bytes, ...]:
        """The test authorities, issuing first; none where there is no test PKI."""
        pki = self._load()
        return pki.chain_der() if pki is not None else ()

    def _load(self) -> TestAuthorities | None:
        if not self._folder.is_dir():
            return None
        from drivers.virtual.authorities import TestAuthorities  # noqa: PLC0415 - only where test cards were made

        files = _list_files(self._folder)
        if self._known[0] != files:
            self._known = files, TestAuthorities.load(self._folder)
        return self._known[1]


def _list_files(folder: Path) -> list[tuple[object, ...]]:
    """What tells that a file was made or replaced since."""
    try:
        found = [(path, path.stat()) for path in sorted(folder.rglob("*.pem"))]
    except OSError:
        return []
    return [(path, status.st_ino, status.st_size, status.st_mtime_ns) for path, status in found]
