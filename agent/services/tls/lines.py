"""The agent's lines to health services: who is believed of servers, and that none of them is known to be revoked."""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass, replace
from typing import Final

from agent.certificates.revocation.verdict import Status, Verdict
from agent.certificates.trust import Trust
from agent.patience import run_apart
from agent.services.tls.availability import Availability
from agent.services.tls.context import make_context
from agent.services.tls.errors import CertificateFault, ServerCertificateError
from agent.services.tls.key import TlsKey
from agent.services.tls.line import Line, LineRequest, open_line

log = logging.getLogger(__name__)

LOOK_UP_S: Final = 10.0
"""What a line waits for an answer on revocation. One that comes later is known to the next line."""
MARGIN_S: Final = 5.0
"""A thread does not wait any longer for a loop that has ended."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a server has shown. `chain_der` None: nothing, since a session goes on; what it began with counts."""

    host: str
    certificate_der: bytes
    chain_der: tuple[bytes, ...] | None


class Lines:
    """Contexts and lines. All methods run in the event loop, and what blocks does not."""

    def __init__(self, trust: Trust, availability: Availability) -> None:
        self._trust = trust
        self._availability = availability
        self._look_ups: dict[bytes, asyncio.Task[Verdict]] = {}

    async def make_context(self, key: TlsKey | None) -> ssl.SSLContext:
        """As the function of that name, with the authorities of the settings. Raises what that raises."""
        if key is not None:
            await self._availability.require()
        authorities = self._trust.chains.list_authorities()
        anchors = (*authorities.roots_der, *authorities.links_der)
        return await run_apart(lambda: make_context(key, anchors), "cps-agent-tls")

    async def open(self, request: LineRequest) -> Line:
        """As open_line; a server whose certificate is revoked is refused too, before it has seen ours."""
        loop = asyncio.get_running_loop()

        def judge(line: Line) -> None:
            shown = _Shown(line.host, line.certificate_der, None if line.resumed else line.chain_der)
            asyncio.run_coroutine_threadsafe(self._judge(shown), loop).result(LOOK_UP_S + MARGIN_S)

        return await open_line(replace(request, judge=judge))

    async def close(self) -> None:
        """End the look-ups."""
        tasks = list(self._look_ups.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _judge(self, shown: _Shown) -> None:
        """Ask only about those whose authorities are IGC-Santé's or the settings'. What is not known is in the log."""
        known = None if shown.chain_der is None else await self._look_up(shown.certificate_der, shown.chain_der)
        if self._trust.states.is_revoked(shown.certificate_der):
            raise ServerCertificateError(CertificateFault.REVOKED, f"the certificate of {shown.host} is revoked")
        if shown.chain_der is not None and (known is None or known.status is Status.UNKNOWN):
            log.info("%s: nothing is known of a revocation of its certificate", shown.host)

    async def _look_up(self, der: bytes, chain_der: tuple[bytes, ...]) -> Verdict | None:
        """The verdict, or None when it does not come in time. Lines to one server at once ask once."""
        task = self._look_ups.get(der)
        if task is None:
            task = self._look_ups[der] = asyncio.create_task(self._trust.watch.look_up(der, chain_der))
            task.add_done_callback(lambda _: self._look_ups.pop(der, None))
        try:
            return await asyncio.wait_for(asyncio.shield(task), LOOK_UP_S)
        except TimeoutError:
            return None
