"""`cps-agent tray`: one icon per data folder; it shows what the agent tells and passes on what the person chooses."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.client import AgentProblemError, AgentUnreachableError, Client
from agent.people.translations import choose_language, load_words
from agent.people.tray.actions import Actions
from agent.people.tray.alerts import Alert, Alerts
from agent.people.tray.backends import choose_view, has_display
from agent.people.tray.follower import Follower
from agent.people.tray.launch import Launcher
from agent.people.tray.memory import Memory
from agent.people.tray.menu import Choice, build_menu
from agent.people.tray.messages import Message, write_message
from agent.people.tray.notices import Notices
from agent.people.tray.state import NO_AGENT, Desk
from agent.people.tray.view import Face, Listener, View
from agent.people.tray.wording import tooltip

log = logging.getLogger(__name__)

FOLDER: Final = "tray"
MEMORY_FILE: Final = "told.json"
COUNTDOWN_S: Final = 20.0
CALM_S: Final = 3600.0  # expiry dates come nearer while nothing happens
GRACE_S: Final = 5.0  # an agent that is restarted is not worth a word
FINISH_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Options:
    """How one run of the tray behaves. `folder`: what this program keeps, inside `data_dir`."""

    data_dir: Path
    launcher: Launcher
    language: str | None = None
    start_agent: bool = True
    tray_wait_s: float = 20.0  # a desktop may start this program before its panel

    @property
    def folder(self) -> Path:
        """Where the tray keeps its own few files."""
        return self.data_dir / FOLDER


class Tray:
    """The parts put together: the follower tells the desk, a thread draws it, the view shows it in the main thread."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self._options = options
        self._say = say
        self._language = choose_language(options.language)
        self._words = load_words(options.language)
        self._memory = Memory(options.folder / MEMORY_FILE)
        self._desk: Desk = NO_AGENT
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._follower = Follower(options.data_dir, self._on_desk)
        self._view: View = choose_view(Listener(self._choose, self._on_no_tray), options.tray_wait_s)
        self._notices = Notices(self._view.notify)
        self._actions = Actions(
            data_dir=options.data_dir, launcher=options.launcher, words=self._words, language=self._language,
            tell=self._notices.tell, look=self._follower.look, quit=self.stop, only_card=self._only_card,
        )  # fmt: skip

    def run(self) -> None:
        """Show the icon until stop(), a signal, or the end of the desktop session."""
        if self._options.start_agent:
            self._start_agent()
        if not has_display():
            self._on_no_tray()
            return
        on_signal(self.stop)
        self._notices.start()
        self._follower.start()
        threading.Thread(target=self._keep_drawing, name="draw", daemon=True).start()
        self._view.run(self._face(self._desk))
        self._follower.stop()
        self._notices.finish(FINISH_S)

    def stop(self) -> None:
        """End the run, from any thread."""
        self._stopped.set()
        self._changed.set()
        self._view.stop()

    def _start_agent(self) -> None:
        """Start one unless it runs: a second one would end by itself, but not without a word in the system's log."""
        if is_running(self._options.data_dir):
            return
        try:
            self._options.launcher.start_agent(asked=False)
        except OSError as error:
            log.warning("the agent does not start: %s", error)

    def _on_desk(self, desk: Desk) -> None:
        if desk != self._desk:
            self._desk = desk
            self._changed.set()

    def _keep_drawing(self) -> None:
        """Draw each change at once; tell of it, an agent that is gone only after a while."""
        alerts, reviewed = Alerts(self._memory), None
        while not self._stopped.is_set():
            desk = self._desk
            self._view.show(self._face(desk))
            lost = reviewed is not None and reviewed.reachable and not desk.reachable
            if not lost or not self._changed.wait(GRACE_S):
                self._tell(alerts.review(reviewed, desk, datetime.now(UTC), time.monotonic()))
                reviewed = desk
                self._changed.wait(COUNTDOWN_S if desk.sessions else CALM_S)
            self._changed.clear()

    def _tell(self, alerts: list[Alert]) -> None:
        for alert in alerts:
            self._notices.tell(write_message(alert, self._words, self._language))

    def _face(self, desk: Desk) -> Face:
        now = datetime.now(UTC)
        return Face(desk.condition, tooltip(desk, self._words, now), build_menu(desk, self._words, now))

    def _choose(self, choice: Choice) -> None:
        self._actions.run(choice)

    def _only_card(self) -> str | None:
        """The one card that a code can be for; with several the agent asks which."""
        cards = self._desk.cards
        return cards[0].card_number if len(cards) == 1 else None

    def _on_no_tray(self) -> None:
        """Say it once in the life of the data folder, not at each login."""
        if self._memory.note_no_tray():
            title = self._words.gettext("This desktop has no place for the icon of the CPS agent")
            body = self._words.gettext(
                "The agent works without it, and `cps-agent panel` opens its windows. In GNOME, the extension "
                "AppIndicator makes such icons visible."
            )
            self._say(f"{title}. {body}")
            self._notices.tell(Message("no-tray", title, body))


def is_running(data_dir: Path) -> bool:
    """Whether an agent answers for this folder."""
    try:
        with Client.of(data_dir, FINISH_S) as client:
            client.status()
    except AgentUnreachableError:
        return False
    except AgentProblemError:
        return True
    return True


def on_signal(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM and Ctrl-C, in a thread: what the main thread is doing then may hold any lock."""
    read_fd, write_fd = os.pipe()
    for number in {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
        signal.signal(number, lambda *_: os.write(write_fd, b"x") and None)

    def wait() -> None:
        os.read(read_fd, 1)
        stop()

    threading.Thread(target=wait, name="wait for a signal", daemon=True).start()
