"""Set up signing out of the settings."""

from __future__ import annotations

from contextlib import AsyncExitStack

from agent.certificates.authority_files import read_authorities
from agent.certificates.trust import FOLDER
from agent.settings import Settings
from agent.signing.preparation import Outside
from agent.signing.workshop import Workshop


def open_workshop(settings: Settings, stack: AsyncExitStack) -> Workshop:
    """A workshop that ends with the stack; its workers ask only whom the settings allow."""
    workshop = Workshop(describe_outside(settings))
    stack.push_async_callback(workshop.close)
    return workshop


def describe_outside(settings: Settings) -> Outside:
    """Whom workers may ask."""
    hosts = (*settings.revocation_hosts, *settings.timestamp_hosts) if settings.revocation else ()
    paths = (*settings.timestamp_authorities, *settings.test_authorities)
    return Outside(
        timestamp_url=settings.timestamp_url,
        timestamp_authorities_der=tuple(authority.der for authority in read_authorities(paths)),
        hosts=hosts,
        folder=str(settings.data_dir / FOLDER),
    )
