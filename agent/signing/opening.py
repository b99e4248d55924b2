"""Set up signing out of the settings."""

from __future__ import annotations

from contextlib import AsyncExitStack

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
    hosts = settings.revocation_hosts if settings.revocation else ()
    return Outside(hosts=hosts, folder=str(settings.data_dir / FOLDER))
