"""`cps-agent panel`: the window behind the tray's menu."""

from __future__ import annotations

from argparse import Namespace

from agent.commands.exits import Exit
from agent.commands.output import complain
from agent.people.translations import translator
from agent.settings import SettingsError, load_settings


def run_panel(arguments: Namespace) -> int:
    """Show the window until it is closed."""
    _ = translator()
    try:
        settings = load_settings({"data_dir": arguments.data_dir})
        from agent.people.panel.program import run  # noqa: PLC0415 - the desktop extra
    except SettingsError as error:
        complain(str(error))
        return Exit.FAILED
    except ImportError as error:
        complain(_("The window needs more than this installation has: {name}").format(name=error.name))
        return Exit.FAILED
    return run(settings, arguments.page, from_tray=arguments.from_tray)
