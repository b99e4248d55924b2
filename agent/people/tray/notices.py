"""The way from a message to the person's eyes, in a thread of its own: a slow desktop delays nothing else."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Callable

from agent.people.tray.messages import Message

log = logging.getLogger(__name__)


class Notices:
    """Show messages in order: by the view if it has a way, else by the desktop's notification service, else nowhere."""

    def __init__(self, by_view: Callable[[Message], bool]) -> None:
        self._by_view = by_view
        self._waiting: queue.Queue[Message | None] = queue.Queue(maxsize=20)
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def tell(self, message: Message) -> None:
        """Put a message in the row; a full row loses it."""
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            log.warning("a notification was lost: %s", message.key)

    def finish(self, timeout_s: float) -> None:
        """Wait until what is in the row has been shown, but not for ever."""
        self._waiting.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        show = self._choose()
        while (message := self._waiting.get()) is not None:
            show(message)

    def _choose(self) -> Callable[[Message], None]:
        if sys.platform != "linux":
            return lambda message: self._by_view(message) and None
        from agent.people.tray.freedesktop import BusError, Notifier  # noqa: PLC0415 - Linux only

        notifier = Notifier("cps-agent")

        def show(message: Message) -> None:
            try:
                notifier.show(message)
            except BusError as error:
                log.info("no notification: %s", error)

        return show
