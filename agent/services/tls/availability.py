"""Whether TLS with a key that lies elsewhere works here: a child tries it once, before anything else does.

Imported at start: nothing of TLS is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.children import child_command, start_child
from agent.services.tls.errors import TlsUnavailableError

SETTLE_S: Final = 10.0
"""After the start: everything else goes first."""
TRIAL_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class TlsState:
    """What the child found; `reason`: why there is no TLS, or no TLS 1.3."""

    available: bool
    tls13: bool
    reason: str | None


class Availability:
    """Run `command` once, by whoever comes first; what it says holds for this run."""

    def __init__(self, command: Sequence[str] | None = None, timeout_s: float = TRIAL_S) -> None:
        self._command = tuple(command or child_command("_tls"))
        self._timeout_s = timeout_s
        self._trial: asyncio.Task[TlsState] | None = None

    @property
    def known(self) -> TlsState | None:
        """What was found; None as long as nobody knows."""
        trial = self._trial
        return trial.result() if trial is not None and trial.done() and not trial.cancelled() else None

    async def find(self) -> TlsState:
        """Have it tried, unless it was, and wait for it."""
        if self._trial is None:
            self._trial = asyncio.create_task(self._try())
        return await asyncio.shield(self._trial)

    async def find_soon(self) -> None:
        """The same, some time after the start."""
        await asyncio.sleep(SETTLE_S)
        await self.find()

    async def require(self) -> TlsState:
        """Find out. Raises TlsUnavailableError."""
        state = await self.find()
        if not state.available:
            raise TlsUnavailableError(state.reason or "")
        return state

    async def close(self) -> None:
        """End the child if it runs."""
        if self._trial is not None:
            self._trial.cancel()
            await asyncio.wait([self._trial])

    async def _try(self) -> TlsState:
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._run()
        except TimeoutError:
            return TlsState(available=False, tls13=False, reason="the self-test of OpenSSL does not end")
        except (OSError, ValueError) as error:  # ValueError: a line longer than any
            return TlsState(available=False, tls13=False, reason=f"the self-test of OpenSSL fails: {error}")
        return _read(answer)

    async def _run(self) -> bytes:
        process = await start_child(self._command, frozenset())
        try:
            assert process.stdin
            assert process.stdout
            process.stdin.close()
            answer = await process.stdout.readline()
            await process.wait()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return answer if process.returncode == 0 else b""


def _read(answer: bytes) -> TlsState:
    """Only what is said to work does."""
    try:
        said: Any = json.loads(answer)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return TlsState(available=False, tls13=False, reason="the self-test of OpenSSL crashed")
    available, tls13 = said.get("available") is True, said.get("tls13") is True
    reason = said.get("reason")
    return TlsState(available, available and tls13, reason if isinstance(reason, str) else None)
