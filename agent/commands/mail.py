"""`cps-agent mail`: the mailboxes of MSSanté, and the bridge by which mail programs come to them."""

from __future__ import annotations

from argparse import Namespace
from typing import Final
from urllib.parse import quote

from agent.client import Client, Json
from agent.commands.calling import ask
from agent.commands.exits import Exit
from agent.commands.files import WrongCallError, with_files
from agent.commands.output import complain, say
from agent.commands.psc import waiting_for_person
from agent.people.translations import translator
from agent.sending import given

MAIL: Final = "/v1/mssante"
BRIDGE: Final = "/v1/mssante/bridge"
SESSIONS: Final = "/v1/psc/sessions"


def run_status(arguments: Namespace) -> int:
    """`cps-agent mail`, `cps-agent mail status`."""
    _ = translator()

    def show(client: Client) -> Json:
        answer = client.request("GET", MAIL)
        if not arguments.json:
            _show_bridge(answer["bridge"])
            for name, mailbox in answer["mailboxes"].items():
                _show_mailbox(name, mailbox)
            if not answer["mailboxes"]:
                say(_("No mailbox is set up: name some in the file of the setting services."))
        return answer

    return ask(arguments, show)


def run_start(arguments: Namespace) -> int:
    """`cps-agent mail start`."""

    def start(client: Client) -> Json:
        bridge = client.request("POST", BRIDGE, {})
        if not arguments.json:
            _show_bridge(bridge)
        return bridge

    return ask(arguments, start)


def run_stop(arguments: Namespace) -> int:
    """`cps-agent mail stop`."""

    def stop(client: Client) -> Json:
        client.request("DELETE", BRIDGE)
        bridge = {"running": False, "imapPort": None, "smtpPort": None}
        if not arguments.json:
            _show_bridge(bridge)
        return bridge

    return ask(arguments, stop)


def run_password(arguments: Namespace) -> int:
    """`cps-agent mail password MAILBOX`."""

    def make(client: Client) -> Json:
        name, mailbox = _find(client, arguments.mailbox)
        path = f"{MAIL}/{quote(name, safe='')}/password"
        if arguments.remove:
            client.request("DELETE", path)
            answer = {"user": mailbox["address"], "bridgePassword": None}
        else:
            answer = client.request("POST", path, {})
        if not arguments.json:
            _show_password(answer)
        return answer

    return with_files(lambda: ask(arguments, make))


def run_login(arguments: Namespace) -> int:
    """`cps-agent mail login MAILBOX`: a login for the mailbox's client, by the agent itself. Ctrl-C takes it back."""
    strangers: list[Json] = []

    def log_in(client: Client) -> Json:
        _name, mailbox = _find(client, arguments.mailbox)
        hint = mailbox["holder"] if arguments.way == "ciba" else None
        body = given(
            format="psc", client=mailbox["client"], way=arguments.way, channel=arguments.channel, loginHint=hint
        )
        with waiting_for_person(client, body, quiet=arguments.json):
            session: Json = client.request("POST", "/v1/authentications", body)["session"]
        if session["person"]["nationalId"] != mailbox["holder"]:
            strangers.append(session["person"])
        _tell_login(mailbox, strangers, quiet=arguments.json)
        return session

    done = with_files(lambda: ask(arguments, log_in))
    return Exit.PERSON if strangers else done


def run_logout(arguments: Namespace) -> int:
    """`cps-agent mail logout MAILBOX`."""
    _ = translator()

    def log_out(client: Client) -> list[Json]:
        _name, mailbox = _find(client, arguments.mailbox)
        sessions = client.request("GET", SESSIONS)["sessions"]
        own = [session for session in sessions if session["own"] and session["client"] == mailbox["client"]]
        ended = [client.request("DELETE", f"{SESSIONS}/{session['id']}") for session in own]
        if not arguments.json:
            say(_("{address} is closed.").format(address=mailbox["address"]))
        return ended

    return with_files(lambda: ask(arguments, log_out))


def _find(client: Client, wanted: str) -> tuple[str, Json]:
    """A mailbox by its name or its address. Raises WrongCallError."""
    _ = translator()
    boxes: dict[str, Json] = client.request("GET", MAIL)["mailboxes"]
    named = [name for name, box in boxes.items() if wanted in (name, box["address"])]
    if wanted in boxes:
        named = [wanted]
    if len(named) != 1:
        raise WrongCallError(_("Name one of these mailboxes: {names}").format(names=", ".join(sorted(boxes)) or "—"))
    return named[0], boxes[named[0]]


def _show_bridge(bridge: Json) -> None:
    _ = translator()
    if bridge["running"]:
        words = _("Mail programs find IMAP on port {imap} and SMTP on port {smtp} of 127.0.0.1, without encryption.")
        say(words.format(imap=bridge["imapPort"], smtp=bridge["smtpPort"]))
    else:
        say(_("Mail programs are not let in: cps-agent mail start"))


def _show_mailbox(name: str, mailbox: Json) -> None:
    _ = translator()
    say(f"{name}: {mailbox['address']}")
    if mailbox["person"] is None:
        say("  " + _("Closed: cps-agent mail login {name}").format(name=name))
    elif mailbox["person"] != mailbox["holder"]:
        say("  " + _("Closed: another professional is logged in"))
    else:
        say("  " + _("Open, connections: {count}").format(count=mailbox["connections"]))
    if not mailbox["hasPassword"]:
        say("  " + _("No password for mail programs yet: cps-agent mail password {name}").format(name=name))


def _show_password(answer: Json) -> None:
    _ = translator()
    if answer["bridgePassword"] is None:
        say(_("No password opens {address} any more.").format(address=answer["user"]))
        return
    say(_("User name: {user}").format(user=answer["user"]))
    say(_("Password: {password}").format(password=answer["bridgePassword"]))
    say(_("It is shown this once, opens this mailbox on this workstation alone, and replaces the one before it."))


def _tell_login(mailbox: Json, strangers: list[Json], *, quiet: bool) -> None:
    _ = translator()
    for person in strangers:
        words = _("{name} is logged in, and is not the holder of {address}: the mailbox stays closed.")
        complain(words.format(name=_person_words(person), address=mailbox["address"]))
    if not strangers and not quiet:
        say(_("{address} is open for your mail program.").format(address=mailbox["address"]))


def _person_words(person: Json) -> str:
    names = (person.get("givenName"), person.get("familyName"))
    return " ".join(filter(None, names)) or str(person["nationalId"])
