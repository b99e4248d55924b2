"""Lines of TLS to one service: the first one with the key, the others by its session."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Final

from agent.cards.card import load_certificate
from agent.certificates.chains import Chains
from agent.services.catalog import Service
from agent.services.channels.dialing import Dialer, Dialers, P
from agent.services.channels.signing import SAMPLE
from agent.services.tls.availability import Availability
from agent.services.tls.errors import NotResumedError, ServerUnreachableError
from agent.services.tls.key import Sign, TlsKey
from agent.services.tls.line import Line, LineRequest
from agent.services.tls.lines import Lines
from agent.services.tls.transport import attach
from drivers.base import Digest, KeyInfo, Padding

PSS_SAMPLE: Final = Digest(SAMPLE.algorithm, SAMPLE.value, Padding.PSS)


class LineDialer(Dialer):
    """One context of ssl, made when it is first needed."""

    def __init__(self, lines: Lines, service: Service, key: KeyInfo | None, chain_der: tuple[bytes, ...]) -> None:
        self.has_key = key is not None
        self._lines = lines
        self._service = service
        loan = _Loan()
        self._key = None if key is None else TlsKey(key.certificate_der, chain_der, key.signs(PSS_SAMPLE), loan.use)
        self._context: ssl.SSLContext | None = None
        self._loan = loan
        self._line: Line | None = None
        self._closed = False

    async def sign_in(self, factory: Callable[[], P], sign: Sign) -> P:
        """See Dialer."""
        self._loan.sign = sign
        try:
            return await self._dial(factory, None)
        finally:
            self._loan.sign = None

    async def resume(self, factory: Callable[[], P]) -> P:
        """See Dialer."""
        session = None if self._line is None else self._line.session
        if self.has_key and session is None:
            raise NotResumedError("the server gave no session")
        return await self._dial(factory, session)

    def close(self) -> None:
        """See Dialer."""
        self._closed = True
        self._context = self._line = None

    async def _dial(self, factory: Callable[[], P], session: ssl.SSLSession | None) -> P:
        if self._context is None:
            self._context = await self._lines.make_context(self._key)
        if self._closed:  # meanwhile: the key signs nothing any more
            raise ServerUnreachableError("nobody waits for it any more")
        line = await self._lines.open(LineRequest(self._service.host, self._service.port, self._context, session))
        _, protocol = await attach(line, factory)
        self._line = line
        return protocol


class _Loan:
    """Whoever has unlocked the key, for the length of a handshake.

    OpenSSL holds this for as long as it holds the key: it leads back to no context, or neither would ever be let go.
    """

    sign: Sign | None = None

    def use(self, digest: Digest) -> bytes:
        """In the handshake's thread."""
        sign = self.sign
        if sign is None:
            raise NotResumedError("nobody has unlocked the key")
        return sign(digest)


class LineDialers(Dialers):
    """`chains`: where the issuers of a key's certificate are found, which are sent along."""

    def __init__(self, lines: Lines, availability: Availability, chains: Chains) -> None:
        self._lines = lines
        self._availability = availability
        self._chains = chains

    async def require(self) -> None:
        """See Dialers."""
        await self._availability.require()

    def make(self, service: Service, key: KeyInfo | None) -> LineDialer:
        """See Dialers."""
        chain = () if key is None else self._chains.find(load_certificate(key.certificate_der)) or ()
        return LineDialer(self._lines, service, key, chain[:-1])
