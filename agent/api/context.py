"""What the handlers need: the services of the daemon, and what is known of the request at hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from agent.access.consents import Consents
from agent.access.gate import Admission
from agent.access.grants import Grants
from agent.access.journal import Journal
from agent.access.local_token import LocalToken
from agent.access.peer import Peer, PeerFinder
from agent.cards.cards import Cards
from agent.cards.events import EventBus
from agent.cards.means import KnownMeans
from agent.cards.sessions import PinSessions
from agent.cards.software_desk import SoftwareDesk
from agent.cards.uses import CardUses, UseRecord
from agent.certificates.forgetting import Memories
from agent.certificates.trust import Trust
from agent.people.desk import Desk
from agent.services.directory.directory import Directory
from agent.services.opening import HealthServices
from agent.signing.opening import SigningServices


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a handler may call."""

    token: LocalToken
    peers: PeerFinder
    grants: Grants
    consents: Consents
    journal: Journal
    cards: Cards
    uses: CardUses
    sessions: PinSessions
    desk: Desk
    events: EventBus
    software: SoftwareDesk
    directory: Directory
    means: KnownMeans
    memories: Memories
    trust: Trust
    signing: SigningServices
    health: HealthServices


@dataclass(slots=True)
class Connection:
    """A TCP connection's other end, looked up once; the program behind it only when a person will read its name."""

    peer: Peer
    program: str | None = None
    program_known: bool = False


@dataclass(slots=True)
class Call:
    """One request on its way: who was admitted, and what the journal will say. `is_use`: also when it succeeds.

    `begun`: part of an answer is out already, so that a failure can only cut the connection.
    """

    connection: Connection | None = None
    admission: Admission = field(default_factory=Admission)
    record: UseRecord = field(default_factory=lambda: UseRecord("call"))
    is_use: bool = False
    begun: bool = False


SERVICES = web.AppKey("services", Services)
CALL = web.RequestKey("call", Call)


def services(request: web.Request) -> Services:
    """The services of the daemon."""
    return request.app[SERVICES]


def call(request: web.Request) -> Call:
    """What is known of this request."""
    return request[CALL]
