"""Services and channels as the API shows them."""

from __future__ import annotations

from typing import Any

from agent.api.views import moment
from agent.services.catalog import Service
from agent.services.channels.channel import Channel


def service_view(name: str, service: Service) -> dict[str, Any]:
    """What a caller may know of a service; `confirmed` False: nobody has seen its address answer."""
    return {
        "name": name,
        "title": service.title,
        "url": service.url,
        "certificate": service.certificate,
        "assertion": service.assertion,
        "methods": service.methods,
        "localPort": service.local_port,
        "confirmed": service.confirmed,
    }


def channel_view(channel: Channel) -> dict[str, Any]:
    """An open channel."""
    parties, life = channel.parties, channel.life
    return {
        "service": parties.name,
        "caller": parties.caller.name,
        "kind": parties.caller.kind,
        "cardNumber": None if parties.card is None else parties.card.number,
        "openedAt": moment(life.opened_at),
        "endsAt": moment(life.ends_at),
        "requests": life.requests,
    }
