"""What an issuer says of itself (OpenID Connect Discovery 1.0 §3, RFC 8414), believed on its own hosts alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from agent.services.catalog import Issuer
from agent.services.psc.endpoints import IssuerFacts, require_host
from agent.services.psc.oauth import IssuerAnswerError

MAX_DOCUMENT: Final = 64 * 1024
WELL_KNOWN: Final = "/.well-known/"
S256: Final = "S256"

Url = Annotated[str, Meta(max_length=512)]
Words = Annotated[tuple[str, ...], Meta(max_length=64)]


class _Aliases(msgspec.Struct, frozen=True):
    """Where certificates are asked for (RFC 8705 §5)."""

    token_endpoint: Url | None = None
    userinfo_endpoint: Url | None = None
    revocation_endpoint: Url | None = None
    backchannel_authentication_endpoint: Url | None = None


class _Document(msgspec.Struct, frozen=True):
    issuer: Url
    authorization_endpoint: Url
    token_endpoint: Url
    jwks_uri: Url
    userinfo_endpoint: Url | None = None
    end_session_endpoint: Url | None = None
    revocation_endpoint: Url | None = None
    backchannel_authentication_endpoint: Url | None = None
    mtls_endpoint_aliases: _Aliases = _Aliases()
    code_challenge_methods_supported: Words | None = None
    authorization_response_iss_parameter_supported: bool = False


ENDPOINTS: Final = (
    "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint",
    "revocation_endpoint", "backchannel_authentication_endpoint",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Metadata:
    """An issuer's addresses, all https and on `hosts`, or None where it has none of that kind.

    `names_itself`: its answers to a browser carry `iss` (RFC 9207). `aliases`: see IssuerFacts.
    """

    issuer: str
    hosts: frozenset[str]
    authorization: str
    token: str
    jwks: str
    userinfo: str | None = None
    end_session: str | None = None
    revocation: str | None = None
    backchannel: str | None = None
    names_itself: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)

    def facts(self, title: str) -> IssuerFacts:
        """What the endpoints need of it."""
        return IssuerFacts(self.issuer, title, self.hosts, self.aliases)


def known_hosts(issuer: Issuer) -> frozenset[str]:
    """The only hosts that anything is ever sent to: those of the catalog, and the discovery document's own."""
    return frozenset(issuer.hosts) | {urlsplit(issuer.discovery).netloc}


def read_metadata(content: bytes, issuer: Issuer) -> Metadata:
    """Read the document. Raises IssuerAnswerError, ForeignEndpointError.

    The issuer is the address of the document without its last two parts, whatever the last one is called (Discovery
    §4.3): one that speaks for another is none.
    """
    document, hosts = _parse(content), known_hosts(issuer)
    if document.issuer != issuer.discovery.partition(WELL_KNOWN)[0]:
        raise IssuerAnswerError("the discovery document names another issuer than its address does")
    methods = document.code_challenge_methods_supported
    if methods is not None and S256 not in methods:
        raise IssuerAnswerError("the issuer does not take PKCE with S256")
    for name in ENDPOINTS:
        if (url := getattr(document, name)) is not None:
            require_host(url, hosts)
    return Metadata(
        document.issuer,
        hosts,
        document.authorization_endpoint,
        document.token_endpoint,
        document.jwks_uri,
        document.userinfo_endpoint,
        document.end_session_endpoint,
        document.revocation_endpoint,
        document.backchannel_authentication_endpoint,
        names_itself=document.authorization_response_iss_parameter_supported,
        aliases=_read_aliases(document, hosts),
    )


def _parse(content: bytes) -> _Document:
    try:
        return msgspec.json.decode(content, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise IssuerAnswerError(f"no discovery document: {error}") from error


def _read_aliases(document: _Document, hosts: frozenset[str]) -> dict[str, str]:
    aliases = {}
    for name in _Aliases.__struct_fields__:
        url, alias = getattr(document, name), getattr(document.mtls_endpoint_aliases, name)
        if url is not None and alias is not None:
            require_host(alias, hosts)
            aliases[url] = alias
    return aliases
