"""`cps-agent software`: certificates whose keys this workstation keeps; the agent asks for every passphrase itself."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from datetime import datetime
from gettext import NullTranslations
from pathlib import Path
from typing import Final

from agent.client import Client, Json
from agent.commands.calling import ask
from agent.commands.exits import Exit
from agent.commands.output import complain, say
from agent.people.keeping_words import name_role
from agent.people.translations import load_words, translator, write_date

MAX_FILE: Final = 10 << 20  # bytes
PEM_MARK: Final = b"-----BEGIN "


def run_list(arguments: Namespace) -> int:
    """`cps-agent software list`."""

    def show(client: Client) -> Json:
        kept = client.software_certificates()
        if not arguments.json:
            _show_kept(kept)
            _say_what_is_due(client.certificate_orders()["renewals"])
        return kept

    return ask(arguments, show)


def _show_kept(kept: Json) -> None:
    _ = translator()
    for one in kept["certificates"]:
        show_certificate(one)
    for entry in kept["damaged"]:
        say(_("{id} is damaged: cps-agent software remove {id}").format(id=entry))
    if not kept["certificates"] and not kept["damaged"]:
        say(_("No software certificate is kept here. Import one: cps-agent software import FILE.p12"))


def _say_what_is_due(renewals: Iterable[Json]) -> None:
    words = load_words()
    due = sum(one["ordered"] is None for one in renewals)
    if due:
        say(
            words.ngettext(
                "%d certificate is to be renewed: cps-agent software renewals",
                "%d certificates are to be renewed: cps-agent software renewals",
                due,
            )
            % due
        )


def show_certificate(one: Json) -> None:
    """Print what is kept of one key."""
    words = load_words()
    _ = words.gettext
    say(f"{one['cardNumber']} {name_role(one['role'], words)}: {one['label']}")
    structure = one["structure"]
    if structure is not None and structure["id"]:
        say("  " + _("Structure: {name}").format(name=structure["id"]))
    say("  " + _("Issued by {name}").format(name=one["issuer"]))
    say("  " + _("Valid until {date}").format(date=day_words(one["notAfter"], words)) + f" ({one['state']})")
    say("  " + _protection_words(one, words))
    if not one["current"]:
        say("  " + _("A newer certificate is used instead of this one."))
    elif one["lent"] is None:
        say("  " + _("The agent keeps this key and lends it to nobody."))
    say("  " + _("Id: {id}").format(id=one["id"]))


def _protection_words(one: Json, words: NullTranslations) -> str:
    if one["protection"] == "passphrase":
        return words.gettext("The key asks for its passphrase at each use.")
    return words.gettext("The key is opened by this workstation's key store; you confirm each use.")


def day_words(moment: str, words: NullTranslations) -> str:
    """A date of the API as the person writes it."""
    return write_date(datetime.fromisoformat(moment), words)


def run_import(arguments: Namespace) -> int:
    """`cps-agent software import FILE…`: the passphrase of the file is asked in the agent's own window."""
    _ = translator()
    try:
        name, content = _read_files([Path(file) for file in arguments.files])
    except (OSError, ValueError) as error:
        complain(str(error))
        return Exit.USAGE

    def take(client: Client) -> list[Json]:
        added = client.import_certificate(name, content, arguments.protection)
        if not arguments.json:
            for one in added:
                show_certificate(one)
            say_what_next(added)
            _say_where_the_key_is()
        return added

    return ask(arguments, take)


def say_what_next(added: Iterable[Json]) -> None:
    """Print how to use what is kept now."""
    _ = translator()
    for number in sorted({one["cardNumber"] for one in added if one["lent"] == "signature"}):
        say(_("Sign with it: cps-agent sign FILE --card {number}").format(number=number))


def _say_where_the_key_is() -> None:
    _ = translator()
    say(_("The file that you imported still holds the key: keep it in a safe place, or delete it."))


def _read_files(paths: list[Path]) -> tuple[str, bytes]:
    """One file as it is, or several PEM files as one. Raises OSError, ValueError."""
    _ = translator()
    contents = [read_file(path) for path in paths]
    if len(contents) > 1 and not all(PEM_MARK in content for content in contents):
        raise ValueError(_("Several files at once must be PEM; import PKCS#12 files one by one."))
    return paths[0].name, b"\n".join(contents)


def read_file(path: Path) -> bytes:
    """A file of keys or certificates; one without end is not read to its end. Raises OSError, ValueError."""
    with path.open("rb") as file:
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        _ = translator()
        raise ValueError(_("These files are larger than certificates and keys are."))
    return content


def run_remove(arguments: Namespace) -> int:
    """`cps-agent software remove NUMBER`: the person is asked."""
    _ = translator()

    def remove(client: Client) -> Json:
        client.remove_certificate(arguments.target)
        if not arguments.json:
            say(_("Removed: {number}").format(number=arguments.target))
        return {"removed": arguments.target}

    return ask(arguments, remove)
