"""`cps-agent virtual-card`: a CPS card in software in a PC/SC reader that vpcd makes."""

from __future__ import annotations

import signal
import sys
import threading
from argparse import Namespace

from agent.commands.exits import Exit
from agent.commands.output import complain, say
from agent.people.translations import translator
from agent.settings import SettingsError, load_settings
from drivers.errors import DriverError
from drivers.virtual.kinds import open_card_of_kind
from drivers.virtual.trace import TracedCard
from drivers.virtual.vpcd import DEFAULT_HOST, DEFAULT_PORT, serve


def run_virtual_card(arguments: Namespace) -> int:
    """Insert the card and keep it there until Ctrl-C."""
    _ = translator()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        host, port = parse_address(arguments.vpcd)
        card = open_card_of_kind(load_settings({"data_dir": arguments.data_dir}).data_dir, arguments.kind)
        traced = TracedCard(card, _print if arguments.trace else None, arguments.delay / 1000)
        words = _("Virtual card ({kind}) for vpcd at {host}:{port}; press Ctrl-C to pull it.")
        say(words.format(kind=arguments.kind, host=host, port=port))
        sys.stdout.flush()
        serve(traced, host, port, stop)
    except (SettingsError, DriverError, OSError, ValueError) as error:
        complain(str(error))
        return Exit.FAILED
    counts = {"count": traced.exchanges, "sent": traced.bytes_to_card, "received": traced.bytes_from_card}
    say(_("Exchanges: {count}, bytes to the card: {sent}, from it: {received}").format(**counts))
    return Exit.OK


def parse_address(text: str | None) -> tuple[str, int]:
    """Parse HOST:PORT, PORT or nothing. Raises ValueError."""
    host, _, port = (text or "").rpartition(":")
    return host or DEFAULT_HOST, int(port) if port else DEFAULT_PORT


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
