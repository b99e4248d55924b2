"""The agent's lines to health services: who is believed of servers, and that none of them is known to be revoked."""

from __future__ import annotations

import asyncio
import logging
import ssl
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
        """As open_line; a server whose certificate is revoked is refused too, before anything is sent to it."""
        line = await open_line(request)
        try:
            await self._judge(line)
        except BaseException:
            line.close()
            raise
        return line

    async def close(self) -> None:
        """End the look-ups."""
        tasks = list(self._look_ups.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _judge(self, line: Line) -> None:
        """Ask only about those whose authorities are IGC-Santé's or the settings'. What is not known is in the log.

        Where a session goes on the server has sent no certificate: the one that it began with counts.
        """
        known = None if line.resumed else await self._look_up(line)
        if self._trust.states.is_revoked(line.certificate_der):
            raise ServerCertificateError(CertificateFault.REVOKED, f"the certificate of {line.host} is revoked")
        if not line.resumed and (known is None or known.status is Status.UNKNOWN):
            log.info("%s: nothing is known of a revocation of its certificate", line.host)

    async def _look_up(self, line: Line) -> Verdict | None:
        """The verdict, or None when it does not come in time. Lines to one server at once ask once."""
        der = line.certificate_der
        task = self._look_ups.get(der)
        if task is None:
            task = self._look_ups[der] = asyncio.create_task(self._trust.watch.look_up(der, line.chain_der))
            task.add_done_callback(lambda _: self._look_ups.pop(der, None))
        try:
            return await asyncio.wait_for(asyncio.shield(task), LOOK_UP_S)
        except TimeoutError:
            return None
