"""`cps-agent tray`: the icon in the tray; and whether it starts with the session."""

from __future__ import annotations

from argparse import Namespace

from agent.access.errors import StoreError
from agent.access.folder import secure_folder
from agent.children import child_command
from agent.commands.exits import Exit
from agent.commands.output import complain, say
from agent.people.translations import translator
from agent.people.tray.autostart import find_autostart
from agent.settings import Settings, SettingsError, load_settings
from drivers.folder_lock import FolderInUseError, FolderLock


def run_tray(arguments: Namespace) -> int:
    """Show the icon until it is removed, unless one is shown already for this data folder."""
    _ = translator()
    try:
        if arguments.autostart:
            return _set_autostart(arguments.autostart)
        settings = load_settings({"data_dir": arguments.data_dir})
        secure_folder(settings.data_dir)
        return _show(arguments, settings)
    except (SettingsError, StoreError) as error:
        complain(str(error))
        return Exit.FAILED
    except ImportError as error:
        complain(_("The tray needs more than this installation has: {name}").format(name=error.name))
        return Exit.FAILED


def _show(arguments: Namespace, settings: Settings) -> int:
    from agent.people.tray.launch import Launcher  # noqa: PLC0415 - the desktop extra
    from agent.people.tray.program import Options, Tray  # noqa: PLC0415

    _ = translator(settings.language)
    options = Options(
        data_dir=settings.data_dir,
        launcher=Launcher(arguments.data_dir),
        language=settings.language,
        start_agent=not arguments.no_start,
        tray_wait_s=arguments.tray_wait,
    )
    options.folder.mkdir(mode=0o700, exist_ok=True)
    try:
        lock = FolderLock(options.folder)
    except FolderInUseError:
        say(_("The icon is shown already."))
        return Exit.OK
    try:
        Tray(options, complain).run()
    finally:
        lock.release()
    return Exit.OK


def _set_autostart(wanted: str) -> int:
    _ = translator()
    autostart = find_autostart(child_command("tray"))
    try:
        if wanted != "status":
            {"on": autostart.turn_on, "off": autostart.turn_off}[wanted]()
        on = autostart.is_on()
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}")
        return Exit.FAILED
    say(_("The icon starts with your session.") if on else _("The icon does not start with your session."))
    return Exit.OK
