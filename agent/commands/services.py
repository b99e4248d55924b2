"""`cps-agent services`: which health services there are, and the lines to them that are open."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime
from typing import Final
from urllib.parse import quote

from agent.client import Client, Json
from agent.commands.calling import ask
from agent.commands.output import say
from agent.people.translations import translator

GATEWAY: Final = "/v1/gateway"


def run_list(arguments: Namespace) -> int:
    """`cps-agent services`, `cps-agent services list`."""

    def show(client: Client) -> Json:
        answer = client.request("GET", GATEWAY)
        if not arguments.json:
            for service in answer["services"]:
                _show(service, [each for each in answer["channels"] if each["service"] == service["name"]])
        return answer

    return ask(arguments, show)


def run_close(arguments: Namespace) -> int:
    """`cps-agent services close NAME`."""
    _ = translator()

    def close(client: Client) -> Json:
        answer = client.request("DELETE", f"{GATEWAY}/{quote(arguments.name, safe='')}")
        if not arguments.json:
            say(_("The lines to {name} are closed.").format(name=arguments.name))
        return answer

    return ask(arguments, close)


def _show(service: Json, channels: list[Json]) -> None:
    _ = translator()
    say(_("{label}: {text}").format(label=service["name"], text=service["title"]))
    note = "" if service["confirmed"] else " " + _("(address not confirmed)")
    say(f"  {service['url']}{note}")
    say("  " + key_words(service["certificate"]))
    if service["localPort"] is not None:
        say("  " + _("Local port {port}, in plain HTTP").format(port=service["localPort"]))
    for channel in channels:
        say("  " + _channel_words(channel))


def key_words(certificate: str) -> str:
    """Whose key opens TLS."""
    _ = translator()
    words = {
        "card": _("Opened with the card's key"),
        "software": _("Opened with a software certificate's key"),
        "any": _("Opened with the card's key, or a software certificate's"),
        "none": _("Opened with no key"),
    }
    return words.get(certificate, certificate)


def _channel_words(channel: Json) -> str:
    _ = translator()
    since = datetime.fromisoformat(channel["openedAt"]).astimezone()
    words = _("Open since {time} for {caller}, {key}, requests: {count}")
    key = channel["cardNumber"] or "—"
    return words.format(time=f"{since:%H:%M}", caller=channel["caller"], key=key, count=channel["requests"])
