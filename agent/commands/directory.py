"""`cps-agent directory`: look somebody up in the Annuaire Santé, and keep its API key in the system's key store."""

from __future__ import annotations

import getpass
import sys
from argparse import Namespace
from datetime import datetime

from agent.client import Client, Json
from agent.commands.calling import connect
from agent.commands.exits import Exit
from agent.commands.output import complain, report, say, say_json
from agent.people.translations import choose_language, load_words, translator, write_date
from agent.settings import load_settings

KEY = "key"
MAX_INPUT = 4096


def run_directory(arguments: Namespace) -> int:
    """`cps-agent directory RPPS`, `… --card [NUMBER]`, `… key [--remove]`."""
    _ = translator()
    if arguments.what == KEY and arguments.card is None:
        return _remove_key() if arguments.remove else _store_key(arguments)
    if (arguments.what is None) == (arguments.card is None) or arguments.remove:
        complain(_("name an RPPS number, or --card, or key"))
        return Exit.USAGE
    return _look_up(arguments)


def _look_up(arguments: Namespace) -> int:
    _ = translator()

    def command() -> int:
        with connect(arguments) as client:
            numbers = [arguments.what] if arguments.what else _numbers_of_cards(client, arguments.card)
            if not numbers:
                complain(_("no card in a reader tells an RPPS number"))
                return Exit.CARD
            answers = [client.directory(number) for number in numbers]
        if arguments.json:
            say_json(answers if len(answers) > 1 else answers[0])
        else:
            for answer in answers:
                _show(answer)
        return Exit.OK

    return report(command, as_json=arguments.json)


def _numbers_of_cards(client: Client, card_number: str) -> list[str]:
    cards = [card for card in client.cards() if card_number in ("", card["number"])]
    return list(dict.fromkeys(filter(None, (card["holder"]["rpps"] for card in cards))))


def _show(answer: Json) -> None:
    _ = translator()
    say(_("RPPS {number} in the Annuaire Santé:").format(number=answer["rpps"]))
    if not answer["found"]:
        say("  " + _("nobody has this number"))
    elif not answer["active"]:
        say("  " + _("the entry is closed"))
    for name in answer["names"]:
        say("  " + " ".join(filter(None, (name["title"], name["givenName"], name["familyName"]))))
    for term in (*answer["professions"], *answer["specialities"]):
        say(f"  {_term(term)}")
    for situation in answer["situations"]:
        say("  " + _("Structure: {name}").format(name=_situation(situation)))
    for mailbox in answer["mailboxes"]:
        say("  " + _("MSSanté: {address} ({kind})").format(address=mailbox["address"], kind=_kind(mailbox)))
    for one in answer["differences"]:
        say("  " + _difference(one))
    say("  " + _age(answer))


def _term(term: Json) -> str:
    return f"{term['label']} ({term['code']})" if term["label"] else str(term["code"])


def _situation(situation: Json) -> str:
    numbers = (situation["finess"], situation["siret"], situation["structureId"])
    sector = _term(situation["sector"]) if situation["sector"] else None
    mode = _term(situation["mode"]) if situation["mode"] else None
    return ", ".join(filter(None, (situation["name"], next(filter(None, numbers), None), sector, mode)))


def _kind(mailbox: Json) -> str:
    label = mailbox["kindLabelFr" if choose_language() == "fr" else "kindLabel"]
    return ", ".join(filter(None, (label, mailbox["structure"], mailbox["service"])))


def _difference(one: Json) -> str:
    _ = translator()
    members = {
        "familyName": _("surname"),
        "givenName": _("given name"),
        "profession": _("profession"),
        "speciality": _("speciality"),
        "structures": _("structures"),
    }
    return _("DIFFERENT, {what}: on the card {card}, in the directory {directory}").format(
        what=members.get(one["member"], one["member"]), card=one["card"] or "—", directory=one["directory"] or "—"
    )


def _age(answer: Json) -> str:
    _ = translator()
    told = datetime.fromisoformat(answer["asOf"])
    day = f"{write_date(told, load_words())} {told.astimezone():%H:%M}"
    if answer["stale"]:
        return _("as of {day}; the directory tells nothing now").format(day=day)
    return _("as of {day}").format(day=day)


def _store_key(arguments: Namespace) -> int:
    """Ask for the key without showing it; from a pipe it is the first line. It never stands on a command line."""
    from agent.keystore import KeyStoreUnavailableError, open_key_store  # noqa: PLC0415 - where it is used
    from agent.services.directory.client import is_api_key  # noqa: PLC0415
    from agent.services.directory.opening import KEY_NAME  # noqa: PLC0415

    _ = translator()
    text = _read_key()
    if not is_api_key(text):
        complain(_("that is no API key"))
        return Exit.USAGE
    try:
        open_key_store().set(KEY_NAME, text.encode())
    except KeyStoreUnavailableError as error:
        complain(_("The key cannot be kept: {reason}").format(reason=error))
        return Exit.DIRECTORY
    say(_("The API key is in the key store of this workstation."))
    if not load_settings({"data_dir": arguments.data_dir}).directory:
        say(_("Set directory = true in the agent's settings, and start it again, to use it."))
    return Exit.OK


def _read_key() -> str:
    _ = translator()
    if sys.stdin.isatty():
        return getpass.getpass(_("API key of the Annuaire Santé (it is not shown): ")).strip()
    return sys.stdin.readline(MAX_INPUT).strip()


def _remove_key() -> int:
    from agent.keystore import KeyStoreUnavailableError, open_key_store  # noqa: PLC0415 - where it is used
    from agent.services.directory.opening import KEY_NAME  # noqa: PLC0415

    _ = translator()
    try:
        open_key_store().delete(KEY_NAME)
    except KeyStoreUnavailableError as error:
        complain(_("The key cannot be removed: {reason}").format(reason=error))
        return Exit.DIRECTORY
    say(_("The API key is no longer in the key store."))
    return Exit.OK
