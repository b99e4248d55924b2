"""What a virtual card keeps without power: keys, codes with their counters, and the file that may be written."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass

from cryptography.hazmat.primitives.asymmetric import rsa

from drivers.base import KeyRole


@dataclass(frozen=True, slots=True)
class Code:
    """A PIN or PUK as the card holds it. It protects a test card only, so it may be read and compared."""

    digits: str
    tries_left: int
    tries_allowed: int

    @property
    def blocked(self) -> bool:
        """Whether no try is left."""
        return self.tries_left == 0


@dataclass(frozen=True, slots=True)
class Codes:
    """Both codes of a card."""

    pin: Code
    puk: Code

    def to_json(self) -> bytes:
        """Serialise for the disk."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Codes:
        """Parse what to_json wrote. Raises ValueError when it is anything else."""
        try:
            values = json.loads(text)
            return cls(Code(**values["pin"]), Code(**values["puk"]))
        except (KeyError, TypeError) as error:
            raise ValueError("not the codes of a card") from error


class Memory(ABC):
    """The lasting part of a card. A save has reached the disk when it returns."""

    codes: Codes
    keys: dict[KeyRole, rsa.RSAPrivateKey]

    @abstractmethod
    def save_codes(self, codes: Codes) -> None:
        """Replace both codes and their counters."""

    @abstractmethod
    def save_cps_data(self, content: bytes) -> None:
        """Replace the content of CPS_DATA."""

    @abstractmethod
    def close(self) -> None:
        """Let another process have the card."""
