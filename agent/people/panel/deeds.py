"""What the buttons of the panel do, in a thread: each gives the sentence of its failure, or nothing."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from agent.client import AgentProblemError, AgentUnreachableError, Client
from agent.people.errands.errands import safe_url
from agent.people.panel.sections import Button, Context, Deed

MAX_FILE: Final = 10 << 20


def do_deed(button: Button, context: Context) -> str | None:
    """Do what the button says."""
    if button.deed is Deed.BROWSE:
        return _browse(button.target, context)
    if button.deed is Deed.OPEN:
        return _open_folder(Path(button.target), context)
    try:
        with Client.of(context.settings.data_dir) as client:
            if button.deed is Deed.IMPORT_CERTIFICATE:
                return _import_file(client, Path(button.target), context)
            _ask_agent(client, button)
    except AgentProblemError as error:
        return str(error.problem.get("detailFr" if context.language == "fr" else "detail") or error)
    except AgentUnreachableError:
        return context.words.gettext("The agent is not running.")
    return None


def _ask_agent(client: Client, button: Button) -> None:
    deeds: dict[Deed, Callable[[str], object]] = {
        Deed.REVOKE: client.revoke,
        Deed.READ_SITUATIONS: client.situations,
        Deed.REMOVE_CERTIFICATE: client.remove_certificate,
        Deed.CANCEL_ORDER: client.cancel_order,
        Deed.ALLOW: lambda _: client.allow_questions(),
    }
    deeds[button.deed](button.target)


def _import_file(client: Client, path: Path, context: Context) -> str | None:
    """Hand a file over to the agent, which asks for its passphrase itself."""
    try:
        if path.stat().st_size > MAX_FILE:
            return context.words.gettext("These files are larger than certificates and keys are.")
        content = path.read_bytes()
    except OSError as error:
        return f"{path}: {error.strerror}"
    client.import_certificate(path.name, content)
    return None


def _browse(url: str, context: Context) -> str | None:
    """Open a page of our own data in the person's browser, and nothing else than such a page."""
    if safe_url(url) is not None and webbrowser.open(url):
        return None
    return context.words.gettext("The page could not be opened: {page}").format(page=url)


def _open_folder(folder: Path, context: Context) -> str | None:
    if folder.is_dir() and QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))):
        return None
    return context.words.gettext("The folder could not be opened: {path}").format(path=folder)
