"""The health services of the agent: each part is set up when somebody first asks for it, and ends with the agent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from agent.access.grants import Grants
from agent.access.journal import Journal
from agent.cards.cards import Cards
from agent.cards.e_cps import UsedECps
from agent.cards.uses import CardUses
from agent.certificates.trust import Trust
from agent.people.presence import AwayReason
from agent.people.prompt import Prompt
from agent.services.tls.availability import Availability
from agent.settings import Settings

if TYPE_CHECKING:
    from agent.access.callers import Caller
    from agent.services.browser import Openings
    from agent.services.catalog import Catalog
    from agent.services.channels.channel import Channel
    from agent.services.channels.channels import Channels
    from agent.services.mssante.opening import Mail
    from agent.services.psc.exchanging import Exchanging
    from agent.services.psc.opening import ProSanteConnect
    from agent.services.psc.ringing import Ringing
    from agent.services.psc.sessions import PscSession
    from agent.services.tls.lines import Lines

Leave = Callable[[AwayReason], None]


@dataclass(frozen=True, slots=True)
class ServiceNeeds:
    """What the services need of the agent. `desk`: where people are asked and told; `e_cps`: who used theirs here."""

    settings: Settings
    cards: Cards
    uses: CardUses
    trust: Trust
    grants: Grants
    journal: Journal
    desk: Prompt
    e_cps: UsedECps


class HealthServices:
    """What is made of them so far ends with `close`. All methods run in the event loop."""

    def __init__(self, needs: ServiceNeeds) -> None:
        self._needs = needs
        self._closing = AsyncExitStack()
        self._on_away: list[Leave] = []
        self.tls = Availability()
        self._ends_with(self.tls.close)

    @property
    def data_dir(self) -> Path:
        """The agent's data folder."""
        return self._needs.settings.data_dir

    @cached_property
    def openings(self) -> Openings:
        """How often the browser was opened, and for whom."""
        from agent.services.browser import Openings  # noqa: PLC0415 - once somebody asks

        return Openings()

    @cached_property
    def catalog(self) -> Catalog:
        """Which services, issuers, clients and mailboxes there are. Raises CatalogError."""
        from agent.services.catalog import load_catalog  # noqa: PLC0415 - once somebody asks

        return load_catalog(self._needs.settings.services)

    @cached_property
    def lines(self) -> Lines:
        """TLS lines to services, with the key of a card or of a software certificate."""
        from agent.services.tls.lines import Lines  # noqa: PLC0415 - once somebody asks

        lines = Lines(self._needs.trust, self.tls)
        self._ends_with(lines.close)
        return lines

    @cached_property
    def channels(self) -> Channels:
        """The kept connections to services."""
        from agent.services.channels.channels import Channels  # noqa: PLC0415 - once somebody asks
        from agent.services.channels.lines import LineDialers  # noqa: PLC0415

        channels = Channels(self._needs, LineDialers(self.lines, self.tls, self._needs.trust.chains))
        self._ends_with(channels.close, channels.leave)
        return channels

    def list_channels(self, caller: Caller) -> list[Channel]:
        """The open ones that this caller may see; there are none before the first was asked for."""
        return self.channels.list_for(caller) if "channels" in vars(self) else []

    def lock(self, caller: Caller) -> int:
        """Have the person asked again for what this caller sees. Gives the number of things ended."""
        return self.channels.lock(caller) if "channels" in vars(self) else 0

    @cached_property
    def psc(self) -> ProSanteConnect:
        """Logins and sessions of Pro Santé Connect. Raises CatalogError."""
        from agent.services.psc.opening import open_psc  # noqa: PLC0415 - once somebody asks

        made = open_psc(self._needs, self.catalog, self.channels)
        self._ends_with(made.close, made.leave)
        return made

    @cached_property
    def ringing(self) -> Ringing:
        """Logins on another device. Raises CatalogError."""
        from agent.services.psc.ringing import Ringing  # noqa: PLC0415 - once somebody asks

        made = Ringing(self.psc, self._needs)
        self._on_away.append(made.leave)
        return made

    @cached_property
    def exchanging(self) -> Exchanging:
        """Tokens of Pro Santé Connect exchanged for those of APIs. Raises CatalogError."""
        from agent.services.psc.exchanging import Exchanging  # noqa: PLC0415 - once somebody asks

        return Exchanging(self.psc)

    @cached_property
    def mail(self) -> Mail:
        """Mailboxes of MSSanté, and the bridge of mail programs to them. Raises CatalogError."""
        from agent.services.mssante.opening import Mail  # noqa: PLC0415 - once somebody asks

        made = Mail(self._needs, self.catalog, self.lines, lambda: self.psc)
        self._ends_with(made.stop)
        return made

    async def start(self) -> None:
        """What the settings want without anybody asking; what cannot be had is said in the log."""
        if self._needs.settings.mail_bridge:
            from agent.services.mssante.opening import start_as_set  # noqa: PLC0415 - where it is set

            await start_as_set(lambda: self.mail)

    def list_psc_sessions(self) -> list[PscSession]:
        """Who is logged in; nobody before the first login was asked for."""
        return self.psc.sessions.list_sessions() if "psc" in vars(self) else []

    def leave(self, reason: AwayReason) -> None:
        """The person is not at the desk any more: what was opened in their name is closed."""
        for listener in self._on_away:
            listener(reason)

    async def close(self) -> None:
        """End what was set up, the last first."""
        await self._closing.aclose()

    def _ends_with(self, close: Callable[[], Awaitable[object]], leave: Leave | None = None) -> None:
        """Have a part that was just made ended with the agent, and told when the person goes away."""
        self._closing.push_async_callback(close)
        if leave is not None:
            self._on_away.append(leave)
