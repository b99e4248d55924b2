"""Ask on the controlling terminal: the same page as in the window, in lines of text."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from gettext import NullTranslations
from typing import Final, TypeVar

from agent.people.page import CodeField, Page
from agent.people.prompt import (
    PROMPT_TIMEOUT_S,
    CardChoice,
    ConfirmRequest,
    DeedRequest,
    Notice,
    PinAnswer,
    PinRequest,
    Prompt,
    PromptError,
    PromptRefusedError,
    PromptTimeoutError,
    PromptUnavailableError,
)
from agent.people.translations import load_words
from agent.people.wording import write_page
from drivers.errors import PinFormatError
from drivers.pin import ON_PAD, Passphrase, Pin, Typed

try:
    from agent.people.console import LINE_LIMIT, PASSPHRASE_LIMIT, Console, write_beside
except ImportError:  # no termios: Windows
    HAS_CONSOLE = False
else:
    HAS_CONSOLE = True

MAX_ATTEMPTS: Final = 3
Result = TypeVar("Result")


class TerminalPrompt(Prompt):
    """Ask in a thread of its own. Without a terminal every question raises PromptUnavailableError."""

    def __init__(
        self, *, language: str | None = None, timeout_s: float = PROMPT_TIMEOUT_S, path: str = "/dev/tty"
    ) -> None:
        self._words = load_words(language)
        self._timeout_s = timeout_s
        self._path = path

    async def ask_pin(self, request: PinRequest) -> PinAnswer:
        """Ask for the codes, three attempts at the right format. Raises PromptRefusedError, PromptUnavailableError."""
        page = write_page(request, self._words)
        if request.on_pad:
            return await self._converse(lambda console: _ask_pad(console, page, self._words))
        if request.no_code:
            await self._converse(lambda console: _ask_leave(console, page, self._words))
            return PinAnswer(None)
        return await self._converse(lambda console: _ask_codes(console, page, self._words))

    async def confirm(self, request: ConfirmRequest) -> bool:
        """Ask yes or no; no by default. Raises PromptTimeoutError, PromptUnavailableError."""
        page = write_page(request, self._words)
        return await self._converse(lambda console: _ask_consent(console, page, self._words))

    async def choose_card(self, choice: CardChoice) -> str:
        """Ask which card, by its place in the list. Raises PromptRefusedError, PromptUnavailableError."""
        page = write_page(choice, self._words)
        return choice.cards[await self._converse(lambda console: _ask_choice(console, page, self._words))].number

    async def agree(self, request: DeedRequest) -> Passphrase | None:
        """Ask for a yes, or for a passphrase. Raises PromptRefusedError, PromptUnavailableError."""
        page = write_page(request, self._words)
        if not request.wants_passphrase:
            return await self._converse(lambda console: _ask_leave(console, page, self._words))
        return await self._converse(lambda console: _ask_passphrase(console, page, self._words))

    async def inform(self, message: Notice) -> None:
        """Write it down, also beside a question. Raises PromptUnavailableError."""
        if not HAS_CONSOLE:
            raise PromptUnavailableError("no terminal on this system")
        await asyncio.to_thread(write_beside, self._path, _render(write_page(message, self._words), self._words))

    async def _converse(self, talk: Callable[[Console], Result]) -> Result:
        """Run the conversation in a thread; being cancelled ends it and restores the terminal before going on."""
        if not HAS_CONSOLE:
            raise PromptUnavailableError("no terminal on this system")
        stop_fd, running_fd = os.pipe()
        outcome: Future[Result] = Future()
        outcome.set_running_or_notify_cancel()
        thread = threading.Thread(
            target=self._run, args=(talk, stop_fd, outcome), name="terminal question", daemon=True
        )
        thread.start()
        try:
            return await asyncio.wrap_future(outcome)
        except asyncio.CancelledError:
            outcome.add_done_callback(_discard)
            raise
        finally:
            os.close(running_fd)  # the other end becomes readable
            thread.join()
            os.close(stop_fd)

    def _run(self, talk: Callable[[Console], Result], stop_fd: int, outcome: Future[Result]) -> None:
        try:
            with Console(self._path, stop_fd, self._timeout_s) as console:
                result = talk(console)
            outcome.set_result(result)
        except PromptError as error:
            outcome.set_exception(error)
        except OSError as error:
            outcome.set_exception(PromptUnavailableError(f"the terminal failed: {error.strerror}"))


def _discard(outcome: Future[Result]) -> None:
    """Wipe codes that nobody waits for any more."""
    if outcome.exception() is None and isinstance(answer := outcome.result(), PinAnswer | Passphrase):
        answer.wipe()


def _render(page: Page, words: NullTranslations) -> str:
    lines = ["", f"== {page.heading} ==" + (f"  [{page.mark}]" if page.mark else "")]
    for fact in page.facts:
        label = words.gettext("{label}:").format(label=fact.label) + " " if fact.label else ""
        lines.append(label + fact.text)
        lines += [f"  - {item}" + (f" ({detail})" if detail else "") for item, detail in fact.rows]
    lines += [f"  {place}. {choice.text}, {choice.detail}" for place, choice in enumerate(page.choices, 1)]
    if page.advice:
        lines.append(page.advice)
    if page.tries:
        lines.append(page.tries)
    return "\n".join([*lines, ""])


def _agrees(console: Console, question: str, words: NullTranslations) -> bool:
    """Ask yes or no; only the letter for yes, in the person's language or in English, is a yes."""
    choices = words.gettext("[y/N]")
    choice = console.read_choice(f"{question} {choices} ")
    return choice != "" and choice in (words.gettext("y"), "y")


def _ask_consent(console: Console, page: Page, words: NullTranslations) -> bool:
    console.write(_render(page, words))
    try:
        return _agrees(console, words.gettext("Allow this?"), words)
    except PromptTimeoutError:
        raise
    except PromptRefusedError:
        return False


def _ask_choice(console: Console, page: Page, words: NullTranslations) -> int:
    console.write(_render(page, words))
    for _ in range(MAX_ATTEMPTS):
        line = console.read_line(words.gettext("Which one? (Enter alone refuses)") + " ", shown=True).decode("latin-1")
        if not line:
            raise PromptRefusedError
        if line.isascii() and line.isdigit() and 1 <= int(line) <= len(page.choices):
            return int(line) - 1
        console.write(words.gettext("Please type a number from 1 to %d.") % len(page.choices) + "\n")
    raise PromptRefusedError("no card of the list")


def _ask_pad(console: Console, page: Page, words: NullTranslations) -> PinAnswer:
    console.write(_render(page, words))
    _accept_last_try(console, page, words)
    if not _agrees(console, words.gettext("Continue on the reader?"), words):
        raise PromptRefusedError
    return PinAnswer(ON_PAD)


def _ask_leave(console: Console, page: Page, words: NullTranslations) -> None:
    console.write(_render(page, words))
    if not _agrees(console, words.gettext("Allow this?"), words):
        raise PromptRefusedError


def _ask_passphrase(console: Console, page: Page, words: NullTranslations) -> Passphrase:
    """Ask for one, or for a new one twice."""
    console.write(_render(page, words))
    if len(page.fields) == 1:
        given = _ask_code(console, page.fields[0], words)
    else:
        given = _ask_new_code(console, page.fields, words)
    if not isinstance(given, Passphrase):
        raise TypeError("a code where a passphrase was asked")
    return given


def _accept_last_try(console: Console, page: Page, words: NullTranslations) -> None:
    if page.last_try and not _agrees(console, page.last_try, words):
        raise PromptRefusedError


def _ask_codes(console: Console, page: Page, words: NullTranslations) -> PinAnswer:
    console.write(_render(page, words))
    _accept_last_try(console, page, words)
    with contextlib.ExitStack() as codes:  # wiped on every way out but the last line: also when the terminal goes
        code = _ask_code(console, page.fields[0], words)
        codes.callback(code.wipe)
        new_code = _ask_new_code(console, page.fields[1:], words) if len(page.fields) > 1 else None
        if new_code is not None:
            codes.callback(new_code.wipe)
        answer = PinAnswer(code, new_code, _wants_session(console, page, words))
        codes.pop_all()
        return answer


def _wants_session(console: Console, page: Page, words: NullTranslations) -> bool:
    return page.session is not None and _agrees(console, page.session, words)


def _ask_code(console: Console, field: CodeField, words: NullTranslations) -> Typed:
    for _ in range(MAX_ATTEMPTS):
        question = words.gettext("{label}:").format(label=field.label) + " "
        keys = console.read_line(question, limit=PASSPHRASE_LIMIT if field.passphrase else LINE_LIMIT)
        if field.accepts(keys):
            with contextlib.suppress(PinFormatError):
                return Passphrase(keys) if field.passphrase else Pin(keys)
        keys[:] = bytes(len(keys))
        console.write(_explain_format(field, words) + "\n")
    raise PromptRefusedError("no code of the right format")


def _explain_format(field: CodeField, words: NullTranslations) -> str:
    if field.passphrase:
        return words.gettext("Please type {min} to {max} characters.").format(
            min=field.min_length, max=field.max_length
        )
    return words.gettext("Please type {min} to {max} digits.").format(min=field.min_length, max=field.max_length)


def _ask_new_code(console: Console, fields: tuple[CodeField, ...], words: NullTranslations) -> Typed:
    for _ in range(MAX_ATTEMPTS):
        new = _ask_code(console, fields[0], words)
        if _is_repeated(new, console, fields[1], words):
            return new
        new.wipe()
        differ = "The two new passphrases differ." if fields[0].passphrase else "The two new codes differ."
        console.write(words.gettext(differ) + "\n")
    raise PromptRefusedError("the new codes differ")


def _is_repeated(new: Typed, console: Console, field: CodeField, words: NullTranslations) -> bool:
    try:
        with _ask_code(console, field, words) as again:
            return _match(new, again)
    except (PromptError, OSError):
        new.wipe()
        raise


def _match(first: Typed, second: Typed) -> bool:
    both = (bytearray(), bytearray())
    for code, typed in zip((first, second), both, strict=True):
        code.append_to(typed)
    match = both[0] == both[1]
    for typed in both:
        typed[:] = bytes(len(typed))
    return match
