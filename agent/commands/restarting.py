"""`cps-agent restart`: the running agent begins anew, and programs that use the card notice nothing."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Final

from agent.access.errors import PeerRefusedError
from agent.client import TOKEN_FILE, AgentUnreachableError, Client, read_own
from agent.commands.exits import Exit
from agent.commands.output import complain, report, say
from agent.door.address import DoorUnavailableError, choose_paths
from agent.people.translations import translator
from agent.settings import load_settings, usual_data_dir

RESTART_S: Final = 30.0
LOOK_S: Final = 0.02
ASK_S: Final = 5.0


class RestartError(Exception):
    """The agent was not restarted; the message is for a person."""


def run_restart(arguments: Namespace) -> int:
    """Ask the agent of this data folder for it, and wait until it answers again."""
    _ = translator()

    def command() -> int:
        try:
            _restart(load_settings({"data_dir": arguments.data_dir}).data_dir)
        except RestartError as error:
            complain(str(error))
            return Exit.FAILED
        say(_("The agent has restarted. Programs that were connected to it still are."))
        return Exit.OK

    return report(command, as_json=False)


def _restart(data_dir: Path) -> None:
    """Raises RestartError, AgentUnreachableError."""
    _ = translator()
    with Client.of(data_dir, ASK_S) as client:
        client.status()
    before = read_own(data_dir / TOKEN_FILE)
    pidfd = _find_agent(data_dir)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGUSR1)
        end = time.monotonic() + RESTART_S
        while not _has_restarted(data_dir, before):
            if select.select([pidfd], [], [], LOOK_S)[0]:
                raise RestartError(_("The agent has ended instead. Start it again: cps-agent serve"))
            if time.monotonic() > end:
                raise RestartError(_("The agent has not restarted within {count} s.").format(count=int(RESTART_S)))
    finally:
        os.close(pidfd)


def _find_agent(data_dir: Path) -> int:
    """A hold on the process that listens at the door (unix(7), SO_PEERCRED). Raises RestartError."""
    _ = translator()
    unreachable = _("This agent cannot be restarted while programs stay connected: end it, and start it again.")
    if sys.platform != "linux":
        raise RestartError(unreachable)
    from agent.door.peers import hold_peer  # noqa: PLC0415 - Linux alone

    try:
        own = choose_paths(data_dir, usual_data_dir(), os.environ).own
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(os.fspath(own))
            return hold_peer(line)
    except (DoorUnavailableError, PeerRefusedError, OSError) as error:
        raise RestartError(f"{unreachable} ({error})") from error


def _has_restarted(data_dir: Path, before: str) -> bool:
    """Whether another run answers: each has a token of its own."""
    try:
        if read_own(data_dir / TOKEN_FILE) in ("", before):
            return False
        with Client.of(data_dir, ASK_S) as client:
            client.status()
    except (OSError, AgentUnreachableError):
        return False
    return True
