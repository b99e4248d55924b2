"""What all commands say that read files and write others."""

from __future__ import annotations

from collections.abc import Callable

from agent.commands.exits import Exit
from agent.commands.output import complain
from agent.people.translations import translator
from agent.sending import FileChangedError


class WrongCallError(Exception):
    """The flags do not fit together, or not these files; the message is for the person."""


def with_files(command: Callable[[], int]) -> int:
    """Run a command, and say what is wrong with its call or with a file. Gives the exit code."""
    _ = translator()
    try:
        return command()
    except WrongCallError as error:
        complain(str(error))
    except FileChangedError as error:
        complain(_("{path} changed while it was read").format(path=error.path))
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}")
    return Exit.USAGE
