"""`cps-agent psc`: log in with Pro Santé Connect, and use the session; tokens are printed to be used at once."""

from __future__ import annotations

import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from typing import Final
from urllib.parse import quote

from agent.client import AgentProblemError, AgentUnreachableError, Client, EventStream, Json
from agent.commands.calling import ask
from agent.commands.output import one_line, say
from agent.people.translations import translator
from agent.sending import given

SESSIONS: Final = "/v1/psc/sessions"
CIBA: Final = "ciba"
NUMBER: Final = "psc-number"


def run_login(arguments: Namespace) -> int:
    """`cps-agent psc login --client NAME`; Ctrl-C takes the question back."""
    body = given(
        format="psc",
        client=arguments.client,
        way=arguments.way,
        channel=arguments.channel,
        loginHint=arguments.login_hint,
        acr=arguments.acr,
    )

    def log_in(client: Client) -> Json:
        with waiting_for_person(client, body, quiet=arguments.json):
            session: Json = client.request("POST", "/v1/authentications", body)["session"]
        if not arguments.json:
            _show(session)
        return session

    return ask(arguments, log_in)


def run_sessions(arguments: Namespace) -> int:
    """`cps-agent psc`, `cps-agent psc sessions`."""
    _ = translator()

    def show(client: Client) -> list[Json]:
        sessions = _list_sessions(client)
        if not arguments.json:
            for session in sessions:
                _show(session)
            if not sessions:
                say(_("Nobody is logged in with Pro Santé Connect."))
        return sessions

    return ask(arguments, show)


def run_token(arguments: Namespace) -> int:
    """`cps-agent psc token SESSION`."""
    return _print_token(arguments, "token", {})


def run_exchange(arguments: Namespace) -> int:
    """`cps-agent psc exchange SESSION AUDIENCE`."""
    return _print_token(arguments, "exchange", {"audience": arguments.audience})


def run_logout(arguments: Namespace) -> int:
    """`cps-agent psc logout SESSION`."""
    _ = translator()

    def log_out(client: Client) -> Json:
        answer = client.request("DELETE", f"{SESSIONS}/{_find(client, arguments.session)}")
        if not arguments.json:
            say(_("The session has ended."))
        return answer

    return ask(arguments, log_out)


def _print_token(arguments: Namespace, verb: str, body: Json) -> int:
    def print_token(client: Client) -> Json:
        answer = client.request("POST", f"{SESSIONS}/{_find(client, arguments.session)}/{verb}", body)
        if not arguments.json:
            say(answer["accessToken"])
        return answer

    return ask(arguments, print_token)


@contextmanager
def waiting_for_person(client: Client, body: Json, *, quiet: bool) -> Iterator[None]:
    """Say what the person has to do elsewhere while a login waits, and the number to compare once there is one.

    `body`: that of POST /v1/authentications.
    """
    if quiet:
        yield
        return
    _say_where(body["way"])
    with ExitStack() as stack:
        if body["way"] == CIBA:
            with suppress(ImportError, AgentUnreachableError, AgentProblemError):  # the agent's window shows it, too
                events = stack.enter_context(client.events())
                threading.Thread(target=_show_numbers, args=(events, body["client"]), daemon=True).start()
        yield


def _show_numbers(events: EventStream, name: str) -> None:
    _ = translator()
    with suppress(AgentUnreachableError):  # as it also ends when the login is over
        for message in events:
            if message.get("type") == NUMBER and message.get("id") == name:
                _tell(_("Number to compare: {number}").format(number=message.get("code")))


def _say_where(way: str) -> None:
    _ = translator()
    words = {
        "browser": _("Log in in the browser window that opens. Ctrl-C gives the login up."),
        CIBA: _("Compare the number with that on your phone, and confirm there. Ctrl-C gives the login up."),
    }
    _tell(words[way])


def _tell(text: str) -> None:
    sys.stderr.write(one_line(text) + "\n")
    sys.stderr.flush()


def _list_sessions(client: Client) -> list[Json]:
    return list(client.request("GET", SESSIONS)["sessions"])


def _find(client: Client, named: str) -> str:
    """The id of a session that is named by it or, if it is ours, by its software: another is the agent's to refuse."""
    try:
        sessions = _list_sessions(client)
    except AgentProblemError:
        sessions = []
    found = [each["id"] for each in sessions if named == each["id"] or (each["own"] and named == each["client"])]
    return quote(found[0] if len(found) == 1 else named, safe="")


def _show(session: Json) -> None:
    _ = translator()
    person = session["person"]
    name = " ".join(filter(None, (person.get("givenName"), person.get("familyName"))))
    say(_("{client}: {name} ({number})").format(client=session["client"], name=name, number=person["nationalId"]))
    say("  " + _("Of {program}").format(program=session["caller"]))
    say("  " + _("Level of assurance: {acr}").format(acr=session["acr"]))
    until = datetime.fromisoformat(session["expiresAt"]).astimezone()
    say("  " + _("Until {time}, unless the card or the person leaves").format(time=f"{until:%H:%M}"))
    say("  " + _("Id: {id}").format(id=session["id"]))
