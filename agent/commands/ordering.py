"""`cps-agent software order`, `orders`, `deliver`, `cancel`, `renewals`: certificates of IGC-Santé on their way."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from agent.client import Client, Json
from agent.commands.calling import ask
from agent.commands.exits import Exit
from agent.commands.output import complain, say
from agent.commands.software import day_words, read_file, say_what_next, show_certificate
from agent.people.keeping_words import name_role
from agent.people.translations import choose_language, load_words, translator

MEMBERS: Final = {"place": "place", "organisation": "organisation", "structure": "structureId", "name": "commonName"}


def run_products(arguments: Namespace) -> int:
    """`cps-agent software products`."""
    _ = translator()

    def show(client: Client) -> list[Json]:
        products = client.certificate_products()
        if not arguments.json:
            for product in products:
                say(f"{product['id']}: {_label(product)}")
                if not product["checked"]:
                    say("  " + _("to be checked: not all of this stands in a public source"))
            say(_("Order one: cps-agent software order PRODUCT --help"))
        return products

    return ask(arguments, show)


def run_order(arguments: Namespace) -> int:
    """`cps-agent software order PRODUCT …`: a key is made here, its request is written to a file."""
    _ = translator()
    target = Path(arguments.request or f"{arguments.product}.csr.pem")
    if target.exists() and not arguments.force:
        complain(_("{path} exists already; --force replaces it").format(path=target))
        return Exit.USAGE

    def order(client: Client) -> Json:
        subject = _choose_subject(client, arguments)
        placed = client.order_certificate(arguments.product, subject, arguments.protection, arguments.renew)
        target.write_text(placed["request"], encoding="ascii")
        if not arguments.json:
            say(_("Order {id}: {label}").format(id=placed["id"], label=_label(placed)))
            say(_("The request is in {path}: give it to the IGC-Santé platform of the ANS.").format(path=target))
            say(_("When its certificate comes: cps-agent software deliver {id} FILE").format(id=placed["id"]))
        return placed

    try:
        return ask(arguments, order)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}")
        return Exit.USAGE


def _choose_subject(client: Client, arguments: Namespace) -> Mapping[str, str]:
    """What is given on the command line, over what is filled in already for a renewal."""
    filled: dict[str, str] = {}
    if arguments.renew is not None:
        renewals = client.certificate_orders()["renewals"]
        filled = next((one["subject"] for one in renewals if one["certificate"] == arguments.renew), {})
    given = {member: getattr(arguments, flag) for flag, member in MEMBERS.items()}
    return {member: value or filled.get(member, "") for member, value in given.items()}


def run_orders(arguments: Namespace) -> int:
    """`cps-agent software orders`."""
    _ = translator()

    def show(client: Client) -> Json:
        waiting = client.certificate_orders()
        if not arguments.json:
            for order in waiting["orders"]:
                _show_order(order)
            for order_id in waiting["damaged"]:
                say(_("{id} is damaged: cps-agent software cancel {id}").format(id=order_id))
            if not waiting["orders"] and not waiting["damaged"]:
                say(_("No certificate is on order."))
        return waiting

    return ask(arguments, show)


def _show_order(order: Json) -> None:
    words = load_words()
    subject = order["subject"]
    say(f"{order['id']} {_label(order) or order['product']}")
    say(f"  {subject['organisation']}, {subject['structureId']}, {subject['commonName']}")
    say("  " + words.gettext("Ordered on {date}").format(date=day_words(order["createdAt"], words)))
    say("  " + words.gettext("When its certificate comes: cps-agent software deliver {id} FILE").format(id=order["id"]))


def run_deliver(arguments: Namespace) -> int:
    """`cps-agent software deliver ID FILE`: the certificate goes to the key that it was made for."""
    _ = translator()
    path = Path(arguments.file)
    try:
        content = read_file(path)
    except (OSError, ValueError) as error:
        complain(str(error))
        return Exit.USAGE

    def deliver(client: Client) -> list[Json]:
        added = client.deliver_certificate(arguments.id, path.name, content)
        if not arguments.json:
            for one in added:
                show_certificate(one)
            say_what_next(added)
        return added

    return ask(arguments, deliver)


def run_cancel(arguments: Namespace) -> int:
    """`cps-agent software cancel ID`: the person is asked."""
    _ = translator()

    def cancel(client: Client) -> Json:
        client.cancel_order(arguments.id)
        if not arguments.json:
            say(_("Given up: {id}").format(id=arguments.id))
        return {"cancelled": arguments.id}

    return ask(arguments, cancel)


def run_renewals(arguments: Namespace) -> int:
    """`cps-agent software renewals`: what ends within 60 days, and how to order it again."""
    _ = translator()

    def show(client: Client) -> list[Json]:
        due: list[Json] = client.certificate_orders()["renewals"]
        if not arguments.json:
            for one in due:
                _show_renewal(one)
            if not due:
                say(_("No certificate that is kept here ends within 60 days."))
        return due

    return ask(arguments, show)


def _show_renewal(one: Json) -> None:
    words = load_words()
    ended = datetime.fromisoformat(one["expiresAt"]) < datetime.now(UTC)
    sentence = words.gettext("ended on {date}") if ended else words.gettext("ends on {date}")
    until = sentence.format(date=day_words(one["expiresAt"], words))
    say(f"{one['cardNumber']} {name_role(one['role'], words)}: {one['subject']['organisation']}, {until}")
    if one["ordered"] is not None:
        say("  " + words.gettext("on order: {id}").format(id=one["ordered"]))
    elif one["product"] is not None:
        command = f"cps-agent software order {one['product']} --renew {one['certificate']}"
        say("  " + words.gettext("Order it again: {command}").format(command=command))
    else:
        say("  " + words.gettext("It is of another authority: order it there."))


def _label(value: Mapping[str, Any]) -> str:
    return str(value["labelFr" if choose_language() == "fr" else "label"] or "")
