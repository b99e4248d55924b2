"""What commands print: JSON for programs, sentences for people, errors on standard error."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Callable
from typing import Any

from agent.client import AgentProblemError, AgentUnreachableError, Json
from agent.commands.exits import BY_LAYER, Exit
from agent.people.translations import choose_language, translator
from agent.settings import SettingsError

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_HIDDEN_IN_JSON = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def one_line(text: str) -> str:
    """Show by a mark what would drive the terminal or begin another line: names come from cards and callers."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _HIDDEN else char for char in text)


def say(text: str) -> None:
    """Print one line for a person."""
    sys.stdout.write(one_line(text) + "\n")


def say_json(value: Any) -> None:
    """Print one JSON value for a program."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    sys.stdout.write(_HIDDEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def complain(text: str) -> None:
    """Print one line about what went wrong."""
    sys.stderr.write(f"cps-agent: {one_line(text)}\n")


def report(command: Callable[[], int], *, as_json: bool) -> int:
    """Run a command that talks to the agent, and say what it refused. Gives the exit code."""
    _ = translator()
    try:
        return command()
    except AgentProblemError as error:
        if as_json:
            say_json(error.problem)
        complain(_sentence(error))
        for structure in error.problem.get("structures", ()):
            complain("  " + ", ".join(filter(None, (structure["id"], structure["sector"], structure["name"]))))
        return BY_LAYER.get(str(error.problem.get("layer")), Exit.FAILED)
    except AgentUnreachableError as error:
        complain(_("No agent answers for this data folder. Start it first: cps-agent serve") + f" ({error})")
        return Exit.UNREACHABLE
    except SettingsError as error:
        complain(str(error))
        return Exit.FAILED


def in_language(problem: Json) -> str:
    """The sentence of a problem, or of a reader's trouble, in the person's language."""
    return str(problem.get("detailFr" if choose_language() == "fr" else "detail", ""))


def _sentence(error: AgentProblemError) -> str:
    _ = translator()
    sentence = f"{in_language(error.problem) or error} [{error.code}]"
    if error.problem.get("hint"):
        sentence += f" ({error.problem['hint']})"
    if error.tries_left is not None:
        sentence += " " + _("Tries left: {count}.").format(count=error.tries_left)
    return sentence
