"""What nobody asks for is not loaded; what a route names is there."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from agent.api.app import ROUTES
from agent.api.lazily import find_handler

HEAVY = (
    "agent.client",
    "agent.signing.workshop",
    "agent.signing.batches",
    "agent.signing.verification.verifier",
    "agent.services.catalog",
    "agent.services.channels",
    "agent.services.mssante",
    "agent.services.psc",
    "agent.services.tls.context",
    "agent.fetching",
    "joserfc",
    "lxml",
)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.kwargs["name"])
def test_every_route_has_its_handler(route) -> None:
    assert inspect.iscoroutinefunction(find_handler(route.handler))


def test_an_agent_that_nobody_asks_anything_loads_none_of_it() -> None:
    look = f"import sys, agent.daemon; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
