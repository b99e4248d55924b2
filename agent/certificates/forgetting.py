"""What the agent remembers of cards and certificates, and how all of it is forgotten when the person wants that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agent.access.errors import StoreError

Forget = Callable[[], Awaitable[int]]
"""Empty one memory, on disk as well. Gives how many things it held; raises StoreError when it could not."""


class Memories:
    """Every memory that can be emptied, by its name in the API's answer, in the order in which they were added.

    `scrub` is called at the end: it leaves nothing of what was deleted in any file, or raises StoreError.
    """

    def __init__(self, scrub: Callable[[], Awaitable[None]]) -> None:
        self._scrub = scrub
        self._memories: dict[str, Forget] = {}

    def add(self, name: str, forget: Forget) -> None:
        """Have this one emptied too."""
        self._memories[name] = forget

    async def forget_all(self) -> dict[str, int]:
        """Empty all, one after the other. Gives what each held; raises the first StoreError once all were tried."""
        forgotten: dict[str, int] = {}
        failures: list[StoreError] = []
        for name, forget in self._memories.items():
            try:
                forgotten[name] = await forget()
            except StoreError as error:
                failures.append(error)
        await self._scrub()
        if failures:
            raise failures[0]
        return forgotten
