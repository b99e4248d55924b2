"""One request to an issuer by the agent's own client, away from the event loop; failures in this package's words."""

from __future__ import annotations

from collections.abc import Callable

from agent.fetching import AnswerTooLargeError, FetchError, Request, Response
from agent.patience import run_apart
from agent.services.psc.oauth import IssuerAnswerError, IssuerUnreachableError


async def ask(fetch: Callable[[Request], Response], request: Request) -> Response:
    """Exchange it; `fetch` blocks, and raises FetchError. Raises IssuerUnreachableError, IssuerAnswerError."""
    try:
        return await run_apart(lambda: fetch(request))
    except AnswerTooLargeError as error:
        raise IssuerAnswerError(str(error)) from error
    except FetchError as error:
        raise IssuerUnreachableError(str(error)) from error
