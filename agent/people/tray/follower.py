"""Follow one agent for as long as the tray lives: the desk as it stands, anew after each event, and across restarts."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.client import AgentProblemError, AgentUnreachableError, Client, EventStream
from agent.people.tray.state import NO_AGENT, Desk, Renewal, parse_desk, parse_renewals

log = logging.getLogger(__name__)

CALL_S: Final = 15.0
FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 5.0
LOOK_S: Final = 2.0  # where there is no event stream
NOT_FOUND: Final = 404
GATHER_S: Final = 0.05
"""Events come in bursts: after one, the status is read once for all that follow within this."""

RENEWALS_S: Final = 6 * 3600.0
"""Between two looks at the certificates to be renewed; whatever happens at the desk brings them about."""


class Follower:
    """Call `on_desk`, in a thread of its own, with every state of the desk, the present one first."""

    def __init__(self, data_dir: Path, on_desk: Callable[[Desk], None]) -> None:
        self._data_dir = data_dir
        self._on_desk = on_desk
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._dirty = threading.Event()
        self._renewals: tuple[Renewal, ...] = ()
        self._renewals_at: float | None = None

    def start(self) -> None:
        """Begin, in the background."""
        threading.Thread(target=self._run, name="follow the agent", daemon=True).start()

    def stop(self) -> None:
        """Say nothing any more."""
        self._stopped.set()
        self.look()

    def look(self) -> None:
        """Look now instead of waiting: somebody has just started the agent, or changed something."""
        self._wake.set()
        self._dirty.set()

    def _run(self) -> None:
        wait = FIRST_WAIT_S
        while not self._stopped.is_set():
            if self._follow_once():
                wait = FIRST_WAIT_S
            if self._stopped.is_set():
                return
            self._on_desk(NO_AGENT)
            self._wake.wait(wait)
            self._wake.clear()
            wait = min(wait * 2, LONGEST_WAIT_S)

    def _follow_once(self) -> bool:
        """Follow a running agent until it ends. Gives whether there was one."""
        met = False
        try:
            with Client.of(self._data_dir, CALL_S) as client:
                self._report(client)
                met = True
                self._follow(client)
        except (AgentUnreachableError, AgentProblemError):
            pass
        except Exception:  # the edge of a thread that nobody waits for: an icon that stands still would tell a lie
            log.exception("what answers on the agent's port cannot be understood")
        return met

    def _follow(self, client: Client) -> None:
        """Tell every change until the agent is gone. Raises AgentUnreachableError, AgentProblemError."""
        try:
            events = client.events()
        except AgentProblemError as error:
            if error.status != NOT_FOUND:
                raise
            self._look_again_and_again(client)  # an agent older than this tray, still running after an upgrade
        else:
            with events:
                self._follow_events(client, events)

    def _follow_events(self, client: Client, events: EventStream) -> None:
        """Read the status after each burst of events, the first of which tells the present state."""
        ended = threading.Event()
        self._dirty.clear()
        threading.Thread(target=self._listen, args=(events, ended), name="listen", daemon=True).start()
        while not self._stopped.is_set():
            self._dirty.wait()
            self._dirty.clear()
            if ended.wait(GATHER_S):
                return
            self._report(client)

    def _look_again_and_again(self, client: Client) -> None:
        while not self._stopped.is_set():
            self._dirty.wait(LOOK_S)
            self._dirty.clear()
            self._report(client)

    def _listen(self, events: EventStream, ended: threading.Event) -> None:
        with contextlib.suppress(AgentUnreachableError):
            for _ in events:
                self._dirty.set()
        ended.set()
        self._dirty.set()

    def _report(self, client: Client) -> None:
        desk = parse_desk(client.status()).with_denials(_count_denials(client))
        self._on_desk(desk.with_renewals(self._renewals))
        if self._look_at_renewals(client):  # which may wait for a key store that is to be unlocked
            self._on_desk(desk.with_renewals(self._renewals))

    def _look_at_renewals(self, client: Client) -> bool:
        """Look once more when that was long ago; a store that fails tells nothing. Says whether they changed."""
        now, before = time.monotonic(), self._renewals
        if self._renewals_at is None or now - self._renewals_at > RENEWALS_S:
            self._renewals_at = now
            with contextlib.suppress(AgentProblemError):
                self._renewals = parse_renewals(client.certificate_orders())
        return self._renewals != before


def _count_denials(client: Client) -> int:
    """None where the agent cannot tell: an older one knows no such route, and the rest is worth showing without it."""
    try:
        return client.denials()
    except AgentProblemError:
        return 0
