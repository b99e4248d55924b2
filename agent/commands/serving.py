"""`cps-agent serve`: run the agent until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from argparse import Namespace
from typing import Any

from agent.access.errors import StoreError
from agent.commands.exits import Exit
from agent.commands.output import complain, say
from agent.daemon import Daemon
from agent.loopback import PortTakenError
from agent.people.hardening import forbid_core_dumps
from agent.people.translations import translator
from agent.servicemanager import ServiceManager, recall
from agent.settings import Settings, SettingsError, load_settings
from agent.succession import hand_over, take_over
from drivers.errors import DriverError

FLAGS = (
    "data_dir", "port", "prompt", "language", "virtual", "virtual_kind", "unattended", "modules", "card_access",
    "trust_test_cards", "test_authorities",
)  # fmt: skip


def run_serve(arguments: Namespace) -> int:
    """Serve in the foreground."""
    logging.basicConfig(level=logging.DEBUG if arguments.verbose else logging.INFO, format="%(levelname)s %(message)s")
    forbid_core_dumps()
    if sys.platform == "linux":
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # whoever asks for a restart now gets the one that is under way
    try:
        settings = load_settings(_flags(arguments))
        manager = ServiceManager.find(os.environ)
        daemon = Daemon(settings, inherited=take_over(os.environ) or recall(os.environ, manager))
        daemon.manager = manager
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(daemon.run(lambda port: _announce(settings, port)))
        _leave(daemon)
    except PortTakenError as error:
        complain(_name_ports(error))
        return Exit.FAILED
    except (SettingsError, StoreError, DriverError, OSError) as error:  # OSError: a file of the data folder
        complain(str(error))
        return Exit.FAILED
    return Exit.OK


def _leave(daemon: Daemon) -> None:
    """Give what is left to the next run, if there is to be one."""
    succession = daemon.succession
    if succession is not None and succession.by_exec:
        hand_over(succession)
    if succession is not None and daemon.manager is not None:
        daemon.manager.leave(succession)


def _flags(arguments: Namespace) -> dict[str, Any]:
    """Whoever names a kind of test card wants test cards."""
    flags = {name: getattr(arguments, name) for name in FLAGS}
    if flags["virtual_kind"] is not None and flags["virtual"] is None:
        flags["virtual"] = True
    return flags


def _name_ports(error: PortTakenError) -> str:
    _ = translator()
    ports = ", ".join(map(str, error.ports))
    words = _("Another program has taken the agent's ports ({ports}). End it, or choose one: cps-agent serve --port N")
    return words.format(ports=ports)


def _announce(settings: Settings, port: int) -> None:
    _ = translator(settings.language)
    say(_("The agent listens on http://127.0.0.1:{port} and http://[::1]:{port}.").format(port=port))
    say(_("Playground: http://localhost:{port}/").format(port=port))
    if settings.unattended:
        say(_("Unattended: codes are given by the agent itself, and only to test cards of this data folder."))
    say(_("Press Ctrl-C to stop."))
    sys.stdout.flush()
