"""Lines of TLS to one service: the first one with the key, the others by its session."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from agent.cards.card import load_certificate
from agent.patience import run_apart
from agent.services.catalog import Service
from agent.services.channels.dialing import Dialer, P
from agent.services.channels.signing import SAMPLE
from agent.services.tls.context import make_context
from agent.services.tls.errors import NotResumedError
from agent.services.tls.key import Sign, TlsKey
from agent.services.tls.line import Line, LineRequest, open_line
from agent.services.tls.transport import attach
from drivers.base import Digest, KeyInfo, Padding

if TYPE_CHECKING:
    from agent.certificates.chains import Chains
    from agent.services.opening import ServiceNeeds

PSS_SAMPLE: Final = Digest(SAMPLE.algorithm, SAMPLE.value, Padding.PSS)


class LineDialer(Dialer):
    """One context of ssl, made when it is first needed; `chains`: who is believed besides the system's authorities."""

    def __init__(self, service: Service, key: KeyInfo | None, chains: Chains) -> None:
        self.has_key = key is not None
        self._service = service
        self._key = None if key is None else _describe(key, chains, self._sign)
        self._chains = chains
        self._context: ssl.SSLContext | None = None
        self._lent: Sign | None = None
        self._line: Line | None = None

    async def sign_in(self, factory: Callable[[], P], sign: Sign) -> P:
        """See Dialer."""
        self._lent = sign
        try:
            return await self._dial(factory, None)
        finally:
            self._lent = None

    async def resume(self, factory: Callable[[], P]) -> P:
        """See Dialer."""
        session = None if self._line is None else self._line.session
        if self.has_key and session is None:
            raise NotResumedError("the server gave no session")
        return await self._dial(factory, session)

    def close(self) -> None:
        """See Dialer."""
        self._context = self._line = None

    async def _dial(self, factory: Callable[[], P], session: ssl.SSLSession | None) -> P:
        if self._context is None:
            authorities = self._chains.list_authorities()
            anchors = (*authorities.roots_der, *authorities.links_der)
            self._context = await run_apart(lambda: make_context(self._key, anchors), "cps-agent-tls")
        line = await open_line(LineRequest(self._service.host, self._service.port, self._context, session))
        _, protocol = await attach(line, factory)
        self._line = line
        return protocol

    def _sign(self, digest: Digest) -> bytes:
        """In the handshake's thread."""
        sign = self._lent
        if sign is None:
            raise NotResumedError("nobody has unlocked the key")
        return sign(digest)


def dialer_maker(needs: ServiceNeeds) -> Callable[[Service, KeyInfo | None], Dialer]:
    """What makes the dialers of all channels."""
    return lambda service, key: LineDialer(service, key, needs.trust.chains)


def _describe(key: KeyInfo, chains: Chains, sign: Sign) -> TlsKey:
    chain = chains.find(load_certificate(key.certificate_der)) or ()
    return TlsKey(key.certificate_der, chain[:-1], key.signs(PSS_SAMPLE), sign)
