"""The program at the other end of the door, as the operating system tells it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from agent.people.prompt import Asker

THROUGH = "PKCS#11"
"""What a program of the door calls through: what it is trusted with here is apart from what it may do by the API."""


class Program(ABC):
    """`user`: the owner of the process, by name; `pid`: the process that made the connection."""

    user: str
    pid: int

    @abstractmethod
    def name(self) -> str:
        """The path of its executable, read now; "" when it cannot be told, or is not what it was at the connection."""

    def asker(self) -> Asker:
        """The program as a dialog shows it."""
        return Asker(self.name(), THROUGH, owner=self.user)
