"""The services that the agent may talk to with a card: those it ships with, and those that a file of the settings adds.

Nobody who calls the agent can name an address: callers name a service, and this is the one list of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from agent.services.errors import CatalogError

MAX_FILE: Final = 256 * 1024
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z")]
Title = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
Address = Annotated[str, Meta(max_length=512, pattern=r"^https://[!-~]+\Z")]
HostName = Annotated[str, Meta(max_length=255, pattern=r"^([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(:[0-9]{1,5})?\Z")]
Port = Annotated[int, Meta(ge=1024, le=65535)]


class ClientCertificate(StrEnum):
    """Whose key authenticates in TLS: a card's, a software certificate's, either as the caller says, or nobody's."""

    CARD = "card"
    SOFTWARE = "software"
    ANY = "any"
    NONE = "none"


class Assertion(StrEnum):
    """What the gateway can put into a SOAP header for the service."""

    VIHF = "vihf"
    INSI = "insi"


class ClientAuthentication(StrEnum):
    """How a client authenticates to its issuer (RFC 8705 §2.1, OpenID Connect Core §9)."""

    TLS = "tls_client_auth"
    PRIVATE_KEY_JWT = "private_key_jwt"
    SECRET_BASIC = "client_secret_basic"  # noqa: S105 - the name of a method
    SECRET_POST = "client_secret_post"  # noqa: S105


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file, whose members are all known."""


class Service(Entry, frozen=True):
    """One service. `url`: https, with the path that every request's own follows.

    `local_port`: where software that cannot be changed speaks plain HTTP to it; none unless set. `media_types`: what
    may be sent there. `local_certificate`: the software certificate that this port uses by its number; else a card.
    `confirmed` False: nobody has seen this address answer.
    """

    title: Title
    url: Address
    certificate: ClientCertificate = ClientCertificate.ANY
    assertion: Assertion | None = None
    methods: tuple[str, ...] = METHODS
    local_port: Port | None = None
    media_types: tuple[str, ...] = ("application/soap+xml", "text/xml", "multipart/related")
    local_certificate: Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[0-9A-Za-z]+\Z")] | None = None
    confirmed: bool = True

    def __post_init__(self) -> None:
        _require_plain(self.url)
        if not set(self.methods) <= set(METHODS):
            raise ValueError(f"methods are among {', '.join(METHODS)}")

    @property
    def host(self) -> str:
        """Host name or address, without brackets."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port, 443 unless the address names another."""
        return urlsplit(self.url).port or 443

    @property
    def path(self) -> str:
        """The path that requests begin with; "" or "/…" without a slash at its end."""
        return urlsplit(self.url).path.rstrip("/")


class Issuer(Entry, frozen=True):
    """An OpenID provider. `hosts`: those of its endpoints besides the one that the discovery document is on."""

    title: Title
    discovery: Address
    hosts: tuple[HostName, ...] = ()

    def __post_init__(self) -> None:
        _require_plain(self.discovery)


class Client(Entry, frozen=True):
    """Practice software as its issuer knows it. `programs`: the executables that may use it, and no other may.

    `certificate`: number of the software certificate (`cps-agent software list`) for TLS or for signed statements; a
    secret is kept in the system's key store under `psc-secret-<name>`. `redirect_port` 0: any free one (RFC 8252 §7.3).
    `fresh_login` False: a login that the person's browser has made before, perhaps for another program, will do.
    """

    client_id: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[!-~]+\Z")]
    issuer: Name
    programs: Annotated[tuple[str, ...], Meta(min_length=1)]
    authentication: ClientAuthentication = ClientAuthentication.TLS
    certificate: str | None = None
    scope: str = "openid scope_all"
    acr: str = "eidas1"
    fresh_login: bool = True
    redirect_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    redirect_path: Annotated[str, Meta(pattern=r"^/[A-Za-z0-9/_-]{0,100}\Z")] = "/callback"
    audiences: tuple[Title, ...] = ()


class Mailbox(Entry, frozen=True):
    """A mailbox of MSSanté. `holder`: the national id (8 and the RPPS number) of the only person it is opened for."""

    address: Annotated[str, Meta(max_length=254, pattern=r"^[!-~]+@[!-~]+\Z")]
    holder: Annotated[str, Meta(min_length=1, max_length=64)]
    client: Name
    imap: HostName
    smtp: HostName


class Portal(Entry, frozen=True):
    """A site for the person's browser. `url`: https, with the path that pages follow; none is shipped."""

    title: Title
    url: Address

    def __post_init__(self) -> None:
        _require_plain(self.url)


class _File(Entry, frozen=True):
    services: dict[Name, Service] = {}
    issuers: dict[Name, Issuer] = {}
    clients: dict[Name, Client] = {}
    mailboxes: dict[Name, Mailbox] = {}
    portals: dict[Name, Portal] = {}


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything by its name."""

    services: Mapping[str, Service] = field(default_factory=dict)
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    clients: Mapping[str, Client] = field(default_factory=dict)
    mailboxes: Mapping[str, Mailbox] = field(default_factory=dict)
    portals: Mapping[str, Portal] = field(default_factory=dict)


def load_catalog(path: Path | None = None) -> Catalog:
    """What is shipped, then the file, whose entries replace those of the same name. Raises CatalogError."""
    shipped = _parse(resources.files(__package__).joinpath("catalog.toml").read_bytes(), "catalog.toml")
    return _merge(shipped, _parse(_read(path), str(path)) if path is not None else _File())


def _merge(shipped: _File, added: _File) -> Catalog:
    catalog = Catalog(
        shipped.services | added.services,
        shipped.issuers | added.issuers,
        shipped.clients | added.clients,
        shipped.mailboxes | added.mailboxes,
        shipped.portals | added.portals,
    )
    for client in catalog.clients.values():
        _require_known(client.issuer, catalog.issuers, "issuer")
    for mailbox in catalog.mailboxes.values():
        _require_known(mailbox.client, catalog.clients, "client")
    _require_own_ports(catalog.services)
    return catalog


def _require_own_ports(services: Mapping[str, Service]) -> None:
    ports = [service.local_port for service in services.values() if service.local_port is not None]
    if len(set(ports)) != len(ports):
        raise CatalogError("two services have the same local_port")


T = TypeVar("T")


def _require_known(name: str, known: Mapping[str, T], what: str) -> None:
    if name not in known:
        raise CatalogError(f"there is no {what} {name!r}")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise CatalogError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE:
        raise CatalogError(f"{path} is larger than such a file can be")
    return content


def _parse(content: bytes, name: str) -> _File:
    try:
        return msgspec.convert(tomllib.loads(content.decode()), _File)
    except (ValueError, RecursionError) as error:  # ValueError: no text, no TOML, and msgspec's ValidationError
        raise CatalogError(f"{name}: {error}") from error


def _require_plain(url: str) -> None:
    """An address that no two readers understand in two ways: no credentials, no query, no dots that climb."""
    parts = urlsplit(url)
    plain = not set(url) & set("@?#\\%") and not {".", ".."} & set(parts.path.split("/"))
    if not plain or not parts.hostname or parts.port == 0:
        raise ValueError(f"{url!r} is no plain https address")
