"""The journal beside the agent's own notes, which come when a state changes and not when a test asks."""

from __future__ import annotations

from typing import Any

from agent.cards.statejournal import AGENT
from agent.client import Client


def latest_use(client: Client) -> dict[str, Any]:
    """The newest entry about a caller."""
    return uses_of(client.journal())[0]


def uses_of(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries about callers, newest first."""
    return [entry for entry in entries if entry["caller"] != AGENT]
