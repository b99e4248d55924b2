"""A signature key for formats, and workshops that end with their test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.signing_keys import SigningKey

from agent.signing.preparation import Outside
from agent.signing.workshop import Workshop


@pytest.fixture(scope="session")
def key(made_folder: Path) -> SigningKey:
    """The signature key of a virtual CPS, outside of it."""
    return SigningKey.of_card(made_folder)


@pytest.fixture
async def open_shop() -> AsyncIterator[Callable[..., Workshop]]:
    """Make a workshop whose workers are the agent's own, or a command's."""
    async with AsyncExitStack() as stack:

        def make(command: list[str] | None = None, outside: Outside | None = None) -> Workshop:
            shop = Workshop(outside or Outside(), command)
            stack.push_async_callback(shop.close)
            return shop

        yield make
