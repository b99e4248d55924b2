"""Commands that ask the running agent what is there: status, cards, certificates, grants, journal, token."""

from __future__ import annotations

import functools
from argparse import Namespace
from datetime import datetime

from agent.client import Client, Json
from agent.commands.calling import ask, connect
from agent.commands.exits import Exit
from agent.commands.forgetting import forget_certificates
from agent.commands.identity import show_identity
from agent.commands.output import in_language, report, say
from agent.commands.situations import read_situations, say_situations
from agent.people.certificate_words import refused_authority_words, revocation_words, state_words
from agent.people.tls_words import tls_trouble_words
from agent.people.translations import load_words, translator


def run_status(arguments: Namespace) -> int:
    """`cps-agent status`."""
    _ = translator()

    def show(client: Client) -> Json:
        status = client.status()
        if not arguments.json:
            say(_("Agent {version} is running on port {port}.").format(version=status["version"], port=client.port))
            if status.get("service") == "stopped":
                say(_("The smart card service of this workstation is stopped."))
            for reader in status.get("readers", ()):
                say(f"  {reader['name']}: {_reader_words(reader)}")
            for name in status.get("refusedAuthorities", ()):
                say("  " + refused_authority_words(name, load_words()))
            if (trouble := tls_trouble_words(status.get("tls"), load_words())) is not None:
                say("  " + trouble)
            for session in status.get("sessions", ()):
                say("  " + _session_words(session))
        return status

    return ask(arguments, show)


def _session_words(session: Json) -> str:
    _ = translator()
    ends_at = datetime.fromisoformat(session["endsAt"]).astimezone()
    return _("code of card {number} kept for {caller} until {time}, for {count} signatures at most").format(
        number=session["cardNumber"], caller=session["caller"], time=f"{ends_at:%H:%M}", count=session["usesLeft"]
    )


def _reader_words(reader: Json) -> str:
    _ = translator()
    words = {
        "empty": _("no card"),
        "reading": _("reading the card…"),
        "ready": _("card {number}").format(number=reader["cardNumber"]),
    }
    trouble = reader["trouble"]
    return words.get(reader["state"]) or f"{trouble['code']} — {in_language(trouble)}"


def run_cards(arguments: Namespace) -> int:
    """`cps-agent cards`."""
    _ = translator()

    def show(client: Client) -> list[Json]:
        cards = client.cards()
        if arguments.situations:
            read_situations(client, cards)
        if not arguments.json:
            for card in cards:
                _show_card(card)
                say_situations(card)
            if not cards:
                _say_why_none(client)
        return cards

    return ask(arguments, show)


def _say_why_none(client: Client) -> None:
    """A reader without a usable card says what is in it."""
    _ = translator()
    troubled = [reader for reader in client.status().get("readers", ()) if reader["trouble"] is not None]
    for reader in troubled:
        say(f"{reader['name']}: {_reader_words(reader)}")
    if not troubled:
        say(_("No card is in a reader."))


def _show_card(card: Json) -> None:
    _ = translator()
    holder, pin = card["holder"], card["pin"] or {}
    names = [holder["givenName"], holder["familyName"]]
    name = " ".join(filter(None, [holder["title"], *names])) if any(names) else _("no name on this card")
    test = _(" (test card)") if card["test"] else ""
    say(f"{card['kind']} {card['number']} {card['generation']}{test}: {name}")
    say("  " + _("Reader: {name}").format(name=card["reader"]))
    if card["access"] != "direct":
        say("  " + _("Used through: {module}").format(module=card["access"]))
    show_identity(holder)
    if card["tokenId"]:
        say("  " + _("Number in the certificates: {number}").format(number=card["tokenId"]))
    say("  " + _("Valid until {date}").format(date=card["expiresAt"][:10]))
    if pin.get("state") == "blocked":
        say("  " + _("The code is blocked: cps-agent pin unblock"))
    elif pin.get("triesLeft") is not None:
        say("  " + _("Tries left: {count}.").format(count=pin["triesLeft"]))


def run_certificates(arguments: Namespace) -> int:
    """`cps-agent certificates [--forget]`."""
    words = load_words()
    _ = words.gettext
    if arguments.forget:
        return ask(arguments, functools.partial(forget_certificates, quiet=arguments.json))

    def show(client: Client) -> list[Json]:
        certificates = client.certificates()
        if not arguments.json:
            for certificate in certificates:
                say(f"{certificate['cardNumber']} {certificate['role']}: {certificate['subject']}")
                say("  " + _("Issued by {name}").format(name=certificate["issuer"]))
                state = state_words(certificate["state"], words)
                say("  " + _("Valid until {date}").format(date=certificate["notAfter"][:10]) + f" ({state})")
                say("  " + _("Revocation: {text}").format(text=revocation_words(certificate, words)))
        return certificates

    return ask(arguments, show)


def _list_abilities(grant: Json) -> list[str]:
    """What is given for one card alone with its number."""
    for_cards = [f"{each['ability']} ({each['cardNumber']})" for each in grant["cards"]]
    for_one = {each["ability"] for each in grant["cards"]}
    return [*(ability for ability in grant["abilities"] if ability not in for_one), *for_cards]


def run_grants(arguments: Namespace) -> int:
    """`cps-agent grants [revoke ID]`."""
    _ = translator()

    def show(client: Client) -> list[Json]:
        if arguments.allow_again:
            client.allow_questions()
        if arguments.revoke:
            client.revoke(arguments.revoke)
        grants = client.grants()
        if not arguments.json:
            for grant in grants:
                abilities = ", ".join(_list_abilities(grant))
                until = _("until the agent stops") if grant["untilStop"] else grant["expiresAt"][:10]
                say(f"{grant['id']}  {grant['caller']}  {abilities}  {until}")
            if not grants:
                say(_("Nothing is granted to anybody."))
        return grants

    return ask(arguments, show)


def run_journal(arguments: Namespace) -> int:
    """`cps-agent journal`."""

    def show(client: Client) -> list[Json]:
        entries = client.journal(arguments.limit)
        if not arguments.json:
            for entry in entries:
                times = f" x{entry['count']}" if entry["count"] > 1 else ""
                about = " ".join(filter(None, (entry["cardNumber"], entry["subject"])))
                say(f"{entry['at']}  {entry['action']}  {entry['outcome']}{times}  {entry['caller']}  {about}")
        return entries

    return ask(arguments, show)


def run_token(arguments: Namespace) -> int:
    """`cps-agent token`: the token of the running agent."""

    def show() -> int:
        with connect(arguments) as client:
            client.status()
            say(client.token)
        return Exit.OK

    return report(show, as_json=False)
