"""Token exchange for the sessions of Pro Santé Connect: what was exchanged falls with its session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.services.psc.exchange import Exchanged, Exchanges

if TYPE_CHECKING:
    from agent.services.psc.opening import ProSanteConnect, Use
    from agent.services.psc.sessions import PscSession


class Exchanging:
    """All exchanged tokens of this run. All methods run in the event loop."""

    def __init__(self, psc: ProSanteConnect) -> None:
        self._psc = psc
        self._exchanges: dict[str, Exchanges] = {}

    async def get(self, use: Use, session: PscSession, audience: str) -> Exchanged:
        """A token for that audience, one of the client's. Raises AudienceRefusedError, and what `access` raises."""
        client = self._psc.require_client(use)

        async def read_token() -> str:
            return (await self._psc.access(use, session)).token

        await self._psc.sessions.require(session)
        endpoints = await self._psc.endpoints(use, client)
        metadata = await self._psc.issuer(client).metadata()
        exchanged = await self._of(session, client.audiences).get(audience, endpoints, metadata.token, read_token)
        await self._psc.sessions.require(session)
        return exchanged

    def _of(self, session: PscSession, audiences: tuple[str, ...]) -> Exchanges:
        made = self._exchanges.get(session.id)
        if made is None:
            made = self._exchanges[session.id] = Exchanges(audiences, lambda: session.ended is None)
            session.on_end.append(lambda _: self._drop(session))
        return made

    def _drop(self, session: PscSession) -> None:
        self._exchanges.pop(session.id).clear()
