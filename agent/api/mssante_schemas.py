"""JSON bodies of the routes about mailboxes."""

from __future__ import annotations

from agent.api.schemas import Body


class BearerBody(Body, frozen=True):
    """POST /v1/mssante/{mailbox}/bearer: nothing to say."""


class PasswordBody(Body, frozen=True):
    """POST /v1/mssante/{mailbox}/password: nothing to say."""


class BridgeBody(Body, frozen=True):
    """POST /v1/mssante/bridge: nothing to say."""
