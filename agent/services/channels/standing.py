"""What a person was asked on the strength of: a grant that is taken back meanwhile takes the answer along."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from agent.access.callers import Caller
from agent.access.errors import GrantRequiredError
from agent.access.grants import GrantChange, GrantEvent, Grants


class Standing:
    """A caller's, for the length of a block."""

    def __init__(self, grants: Grants, caller: Caller) -> None:
        self._grants = grants
        self._caller = caller
        self._lost = False

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._unsubscribe = self._grants.subscribe(self._follow)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Listen no more."""
        self._unsubscribe()

    def require(self) -> None:
        """Raise GrantRequiredError once the caller has lost a grant."""
        if self._lost:
            raise GrantRequiredError("connect", "the grant was taken back while the person was asked")

    def _follow(self, change: GrantChange) -> None:
        self._lost |= change.event is not GrantEvent.GIVEN and change.grant.caller.key == self._caller.key
