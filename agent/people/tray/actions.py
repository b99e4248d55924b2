"""What the menu's choices do. Whatever waits, for the agent or for the person, waits in a thread of its own."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from gettext import NullTranslations
from pathlib import Path
from typing import Final

from agent.client import AgentProblemError, AgentUnreachableError, Client, Json
from agent.people.plain_text import plain_text
from agent.people.tray.launch import Launcher, send_page
from agent.people.tray.menu import PAGES, Choice
from agent.people.tray.messages import BODY_LIMIT, Message

PIN_VERBS: Final = {Choice.ENTER_PIN: "verify", Choice.CHANGE_PIN: "change", Choice.UNBLOCK: "unblock"}
REFUSED: Final = "pin-refused"


@dataclass
class Actions:
    """Carry out choices. `only_card` gives the number of the card when there is just one."""

    data_dir: Path
    launcher: Launcher
    words: NullTranslations
    language: str
    tell: Callable[[Message], None]
    look: Callable[[], None]
    quit: Callable[[], None]
    only_card: Callable[[], str | None]
    _asking: threading.Lock = field(default_factory=threading.Lock)
    _panel: subprocess.Popen[bytes] | None = None

    def run(self, choice: Choice) -> None:
        """Begin what was chosen; returns at once."""
        if choice is Choice.QUIT:
            self.quit()
        else:
            threading.Thread(target=self._do, args=(choice,), name=choice, daemon=True).start()

    def _do(self, choice: Choice) -> None:
        try:
            self._carry_out(choice)
        except AgentProblemError as error:
            if error.code != REFUSED:  # whoever refuses knows
                self._tell_failure(problem_sentence(error.problem, self.language))
        except AgentUnreachableError:
            self._tell_failure(self.words.gettext("The agent is not running."))
        except OSError as error:
            self._tell_failure(str(error.strerror or error))
        self.look()

    def _carry_out(self, choice: Choice) -> None:
        if choice in PAGES:
            self._open(choice)
        elif choice is Choice.START_AGENT:
            self.launcher.start_agent(asked=True)
        elif choice in PIN_VERBS:
            self._ask_code(choice)
        else:
            with Client.of(self.data_dir) as client:
                {Choice.LOCK: client.lock, Choice.ALLOW_QUESTIONS: client.allow_questions}[choice]()

    def _open(self, page: Choice) -> None:
        if self._panel is None or not send_page(self._panel, page):
            self._panel = self.launcher.open_panel(page)

    def _ask_code(self, choice: Choice) -> None:
        """Let the agent ask; a second choice while it asks is as good as none."""
        if not self._asking.acquire(blocking=False):
            return
        try:
            with Client.of(self.data_dir) as client:
                client.pin(PIN_VERBS[choice], self.only_card())
        finally:
            self._asking.release()
        self.tell(Message(choice, self._done_words(choice), ""))

    def _done_words(self, choice: Choice) -> str:
        return {
            Choice.ENTER_PIN: self.words.gettext("The code is right"),
            Choice.CHANGE_PIN: self.words.gettext("The code has been changed"),
            Choice.UNBLOCK: self.words.gettext("The card is unblocked"),
        }[choice]

    def _tell_failure(self, sentence: str) -> None:
        self.tell(Message("failure", self.words.gettext("That did not work"), plain_text(sentence, BODY_LIMIT)))


def problem_sentence(problem: Json, language: str) -> str:
    """The sentence of a problem document in the person's language."""
    return str(problem.get("detailFr" if language == "fr" else "detail") or problem.get("title") or "")
