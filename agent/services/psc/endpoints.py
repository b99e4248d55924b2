"""The endpoints of an issuer that a client speaks to in its own name: by POST, and never twice by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from agent.access.grants import GrantChange, GrantEvent
from agent.cards.cards import Cards
from agent.cards.uses import CardUses, UseRecord, UseRequest
from agent.fetching import Fetcher, Request, Response
from agent.people.presence import AwayReason
from agent.people.prompt import Action, Asker
from agent.services.catalog import Client, ClientAuthentication, ClientCertificate, Service
from agent.services.psc.assertions import Speaker
from agent.services.psc.errors import ClientUnsetError
from agent.services.psc.oauth import MAX_ANSWER, ForeignEndpointError, IssuerAnswerError, Members, read_answer
from agent.services.psc.proofs import (
    AssertionProof,
    KeyUse,
    Proof,
    SecretProof,
    Stocks,
    TlsProof,
)

CallByChannel = Callable[[UseRequest, str, Service, Request], Awaitable[Response]]
"""Send by the channel of that use, name and service, opened if need be, and what a channel raises."""
SECRET_NAME: Final = "psc-secret-{}"  # noqa: S105 - a name in the key store
TIMEOUT_S: Final = 20.0
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
PORT: Final = 443


@dataclass(frozen=True, slots=True)
class IssuerFacts:
    """What an issuer says of itself: its name, and the hosts of its endpoints (`example.org`, or with a port).

    `aliases`: for an endpoint's address the one where certificates are asked for (mtls_endpoint_aliases, RFC 8705 §5).
    """

    issuer: str
    title: str
    hosts: frozenset[str]
    aliases: Mapping[str, str] = field(default_factory=dict)


class Endpoints:
    """What one call says to an issuer in the name of its client. Cheap: what lasts is behind the proof."""

    def __init__(self, facts: IssuerFacts, proof: Proof) -> None:
        self._facts = facts
        self._proof = proof

    @property
    def pace_s(self) -> float:
        """Requests that follow each other leave at least so many seconds between them."""
        return self._proof.pace_s

    async def post(self, url: str, form: Mapping[str, str]) -> Members:
        """Send a form and the proof of who the client is. Nothing is sent again, and no redirect followed.

        Raises ForeignEndpointError, OAuthError, IssuerUnreachableError, IssuerAnswerError; what the proof raises.
        """
        return read_answer(await self._post(url, form))

    async def tell(self, url: str, form: Mapping[str, str]) -> None:
        """Send alike what a status alone answers (RFC 7009 §2.2). Raises what `post` raises."""
        response = await self._post(url, form)
        if response.status >= 400:
            read_answer(response)

    async def _post(self, url: str, form: Mapping[str, str]) -> Response:
        url = self._find(url)
        sealed = await self._proof.seal()
        headers = (("Content-Type", FORM), ("Accept", JSON), *sealed.headers)
        body = urlencode({**form, **sealed.form}).encode()
        return await self._proof.send(Request(url, "POST", headers, body, max_size=MAX_ANSWER, timeout_s=TIMEOUT_S))

    async def read(self, url: str, access_token: str) -> Members:
        """Ask with an access token of this client's (RFC 6750 §2.1). Raises what `post` raises."""
        headers = (("Authorization", f"Bearer {access_token}"), ("Accept", JSON))
        request = Request(self._find(url), headers=headers, max_size=MAX_ANSWER, timeout_s=TIMEOUT_S)
        return read_answer(await self._proof.send(request))

    def _find(self, url: str) -> str:
        """The address itself, or where certificates are asked for. Raises ForeignEndpointError."""
        if self._proof.by_certificate:
            url = self._facts.aliases.get(url, url)
        require_host(url, self._facts.hosts)
        return url

    async def require_bound(self, claims: Mapping[str, Any]) -> None:
        """Raise IssuerAnswerError for a token that is bound to a certificate other than this client's (RFC 8705 §3)."""
        confirmation = claims.get("cnf")
        if confirmation is None:
            return
        named = confirmation.get("x5t#S256") if isinstance(confirmation, Mapping) else None
        if named is None or named != await self._proof.thumbprint():
            raise IssuerAnswerError("a token that is bound to another certificate")


def require_host(url: str, hosts: Iterable[str]) -> None:
    """Raise ForeignEndpointError unless this is a plain https address on one of the hosts."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
    except ValueError as error:
        raise ForeignEndpointError("not a URL") from error
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    names = {f"{host}:{port}"} | ({f"{host}"} if port == PORT else set())
    plain = url.isascii() and url.isprintable() and not set(url) & set(" \\#@")
    if parts.scheme != "https" or not plain or names.isdisjoint(hosts):
        raise ForeignEndpointError(f"{host}: not a host of this issuer")


@dataclass(frozen=True, slots=True)
class DeskNeeds:
    """What client authentication needs. `call`: over TLS with a certificate; `anchors_der`: authorities for TLS.

    `read_secret`: a secret of the key store by its name, which may wait for a person.
    """

    cards: Cards
    uses: CardUses
    call: CallByChannel
    anchors_der: Callable[[], Iterable[bytes]]
    read_secret: Callable[[str], bytearray | None]


@dataclass(frozen=True, slots=True)
class CallFacts:
    """For whom something is said: the caller as a person reads it, and what the journal will say of the call."""

    asker: Asker
    record: UseRecord


class ClientDesk:
    """The clients of this workstation before their issuers. All methods run in the event loop."""

    def __init__(self, needs: DeskNeeds) -> None:
        self._needs = needs
        self._stocks = Stocks()

    def endpoints(self, name: str, client: Client, facts: IssuerFacts, call: CallFacts) -> Endpoints:
        """What this call may say for that client. Raises ClientUnsetError."""
        return Endpoints(facts, self._prove(name, client, facts, call))

    def _prove(self, name: str, client: Client, facts: IssuerFacts, call: CallFacts) -> Proof:
        way = client.authentication
        if way is ClientAuthentication.TLS:
            use = self._use(client, facts, call)
            return TlsProof(client.client_id, use, lambda request: self._call(name, facts, use.request, request))
        fetcher = Fetcher(facts.hosts, self._needs.anchors_der())
        if way is ClientAuthentication.PRIVATE_KEY_JWT:
            use = self._use(client, facts, call)
            place = (use.request.caller.key, name)
            return AssertionProof(fetcher, Speaker(client.client_id, facts.issuer), use, (self._stocks, place))
        basic = way is ClientAuthentication.SECRET_BASIC
        return SecretProof(fetcher, client.client_id, lambda: self._read_secret(name), basic=basic)

    def _read_secret(self, name: str) -> bytearray | None:
        return self._needs.read_secret(SECRET_NAME.format(name))

    def _use(self, client: Client, facts: IssuerFacts, call: CallFacts) -> KeyUse:
        if client.certificate is None:
            raise ClientUnsetError
        request = UseRequest(
            call.asker,
            Action.CONNECT,
            call.record,
            subjects=(facts.title, urlsplit(facts.issuer).hostname or ""),
            card_number=client.certificate,
        )
        return KeyUse(self._needs.cards, self._needs.uses, request)

    async def _call(self, name: str, facts: IssuerFacts, use: UseRequest, request: Request) -> Response:
        """Send by the caller's channel to that host, which is opened, and asked for, once."""
        host = urlsplit(request.url).netloc
        service = Service(title=facts.title, url=f"https://{host}", certificate=ClientCertificate.SOFTWARE)
        use = replace(use, subjects=(facts.title, host))
        return await self._needs.call(use, f"{name} {host}", service, request)

    def follow_grants(self, change: GrantChange) -> None:
        """Whoever loses a grant loses what was signed for it."""
        if change.event is not GrantEvent.GIVEN:
            self._stocks.drop(change.grant.caller.key)

    def leave(self, reason: AwayReason) -> None:  # noqa: ARG002 - whatever took the person away
        """Drop everything: the person is not at the desk any more."""
        self._stocks.clear()

    async def close(self) -> None:
        """Drop everything."""
        self._stocks.clear()
