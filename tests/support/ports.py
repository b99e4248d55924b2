"""Ports that something is to be told before it listens there."""

from __future__ import annotations

import random

from agent.loopback import PortTakenError, bind_loopback

BELOW_CLIENTS = range(20000, 32000)
"""Below the range from which the system gives ports to clients: nobody is given one of these meanwhile."""


def free_port() -> int:
    """One that is free on both loopback families."""
    while True:
        try:
            listeners = bind_loopback([random.choice(BELOW_CLIENTS)])
        except PortTakenError:
            continue
        port = int(listeners[0].getsockname()[1])
        for listener in listeners:
            listener.close()
        return port
