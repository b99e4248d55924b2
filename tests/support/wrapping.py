"""Secrets of a key store that ends with its test."""

from __future__ import annotations

from drivers.software.errors import WrappingUnavailableError
from drivers.software.vault import WrappingKeys


class MemoryKeys(WrappingKeys):
    """Keep secrets in memory; `available` False stands for a key store that is locked or gone."""

    def __init__(self) -> None:
        self.secrets: dict[str, bytes] = {}
        self.available = True

    def get(self, name: str) -> bytearray | None:
        self._require()
        return bytearray(self.secrets[name]) if name in self.secrets else None

    def set(self, name: str, secret: bytearray) -> None:
        self._require()
        self.secrets[name] = bytes(secret)

    def delete(self, name: str) -> None:
        self._require()
        self.secrets.pop(name, None)

    def _require(self) -> None:
        if not self.available:
            raise WrappingUnavailableError
