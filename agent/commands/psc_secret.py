"""`cps-agent psc secret`: keep the secret of a client in the system's key store, while secrets last."""

from __future__ import annotations

import getpass
import re
import sys
from argparse import Namespace
from typing import Final

from agent.commands.exits import Exit
from agent.commands.output import complain, say
from agent.people.translations import translator

SECRET: Final = re.compile(r"[\x20-\x7e]{1,512}")  # RFC 6749 §A.2: VSCHAR
MAX_INPUT: Final = 4096


def run_secret(arguments: Namespace) -> int:
    """`cps-agent psc secret CLIENT`, `… --remove`."""
    return _remove(arguments.client) if arguments.remove else _store(arguments.client)


def _store(client: str) -> int:
    """Ask for it without showing it; from a pipe it is the first line. It never stands on a command line."""
    from agent.keystore import KeyStoreUnavailableError, open_key_store  # noqa: PLC0415 - where it is used

    _ = translator()
    text = _read()
    if not SECRET.fullmatch(text):
        complain(_("that is no secret of a client"))
        return Exit.USAGE
    try:
        open_key_store().set(_name(client), text.encode())
    except KeyStoreUnavailableError as error:
        complain(_("The secret cannot be kept: {reason}").format(reason=error))
        return Exit.SERVICE
    say(_("The secret is in the key store of this workstation."))
    return Exit.OK


def _read() -> str:
    _ = translator()
    if sys.stdin.isatty():
        return getpass.getpass(_("Secret of the client (it is not shown): "))
    return sys.stdin.readline(MAX_INPUT).rstrip("\r\n")


def _remove(client: str) -> int:
    from agent.keystore import KeyStoreUnavailableError, open_key_store  # noqa: PLC0415 - where it is used

    _ = translator()
    try:
        open_key_store().delete(_name(client))
    except KeyStoreUnavailableError as error:
        complain(_("The secret cannot be removed: {reason}").format(reason=error))
        return Exit.SERVICE
    say(_("The secret is no longer in the key store."))
    return Exit.OK


def _name(client: str) -> str:
    from agent.services.psc.endpoints import SECRET_NAME  # noqa: PLC0415 - where it is used

    return SECRET_NAME.format(client)
