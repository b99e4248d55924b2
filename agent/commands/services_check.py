"""`cps-agent services check`: a service from its name to its first answer, layer by layer; where it ends is said."""

from __future__ import annotations

import socket
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from agent.client import AgentProblemError, Client, Json
from agent.commands.calling import connect
from agent.commands.exits import Exit
from agent.commands.output import complain, in_language, report, say, say_json
from agent.commands.services import GATEWAY, key_words
from agent.people.translations import translator

CONNECT_S: Final = 10.0
HTTPS: Final = 443
PAGE: Final = "html-refused"
"""The service answers, with a page: many do when they turn something down."""


class Layer(StrEnum):
    """What has to work, each once those before it do."""

    NAME = "name"
    CONNECTION = "connection"
    TLS = "tls"
    SERVER = "server-certificate"
    OWN = "own-certificate"
    ANSWER = "answer"


BEYOND: Final = (Layer.TLS, Layer.SERVER, Layer.OWN, Layer.ANSWER)
"""What the agent alone can tell."""
AT_FAULT: Final = {
    "service-unreachable": Layer.CONNECTION,
    "tls-unavailable": Layer.TLS,
    "tls-failed": Layer.TLS,
    "tls-version-refused": Layer.TLS,
    "server-certificate-refused": Layer.SERVER,
    "client-certificate-refused": Layer.OWN,
    "service-timeout": Layer.ANSWER,
    "service-cut": Layer.ANSWER,
    "service-unreadable": Layer.ANSWER,
    PAGE: Layer.ANSWER,
}
"""By the code of the agent's refusal."""
UNNAMED: Final = "certificate-unnamed"
OWN_LAYERS: Final = frozenset({"pcsc", "reader", "card", "middleware", "person", "other program", "certificate"})
"""Layers of refusals that are about the key, as UNNAMED is: the agent asks for it before it connects."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`works` None: not reached."""

    layer: Layer
    works: bool | None
    detail: str = ""


def run_check(arguments: Namespace) -> int:
    """`cps-agent services check NAME`."""
    return report(lambda: _check(arguments), as_json=arguments.json)


def _check(arguments: Namespace) -> int:
    _ = translator()
    with connect(arguments) as client:
        known = client.request("GET", GATEWAY)["services"]
        service = next((each for each in known if each["name"] == arguments.name), None)
        if service is None:
            complain(_("There is no service {name}: see cps-agent services").format(name=arguments.name))
            return Exit.USAGE
        findings = _find_out(client, service, arguments.card)
    if arguments.json:
        say_json([asdict(finding) for finding in findings])
    else:
        _show(service, findings)
    return Exit.OK if all(finding.works for finding in findings) else Exit.SERVICE


def _find_out(client: Client, service: Json, card: str | None) -> list[Finding]:
    """One finding per layer; the way to the server is looked at from here, the rest by the agent."""
    found = {finding.layer: finding for finding in _look_around(service["url"])}
    if all(finding.works for finding in found.values()):
        found |= {finding.layer: finding for finding in _ask(client, service, card)}  # the agent may see it otherwise
    return [found.get(layer, Finding(layer, None)) for layer in Layer]


def _look_around(url: str) -> Iterator[Finding]:
    """Name and connection: the server's, or the proxy's that leads there."""
    _ = translator()
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or HTTPS
    if proxy := _find_proxy(host):
        yield Finding(Layer.NAME, works=True, detail=_("left to the proxy {proxy}").format(proxy=proxy.netloc))
        host, port = proxy.hostname or "", proxy.port or HTTPS
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        yield Finding(Layer.NAME, works=False, detail=_not_found(host, error))
        return
    if not proxy:
        addresses = sorted({str(each[4][0]) for each in found})
        yield Finding(Layer.NAME, works=True, detail=f"{host}: {', '.join(addresses)}")
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except OSError as error:
        words = _("port {port} of {host} does not answer: {reason}")
        reason = error.strerror or error
        yield Finding(Layer.CONNECTION, works=False, detail=words.format(port=port, host=host, reason=reason))
        return
    yield Finding(Layer.CONNECTION, works=True, detail=_("port {port} of {host} answers").format(port=port, host=host))


def _not_found(host: str, error: OSError | UnicodeError) -> str:
    _ = translator()
    reason = getattr(error, "strerror", None) or error
    return _("{host} is not found: {reason}").format(host=host, reason=reason)


def _find_proxy(host: str) -> SplitResult | None:
    """The system's proxy for https, unless its exceptions name the host."""
    address = getproxies().get("https")
    if not address or proxy_bypass(host):
        return None
    return urlsplit(address if "//" in address else f"http://{address}")


def _ask(client: Client, service: Json, card: str | None) -> Iterator[Finding]:
    """What the agent meets on its way to the first answer: an empty request, which a service turns down."""
    method = "GET" if "GET" in service["methods"] else "POST"
    headers = {"Content-Type": "application/soap+xml", "Content-Length": "0"} if method == "POST" else {}
    headers |= {} if card is None else {"CPS-Agent-Card": card}
    try:
        with client.stream(method, f"{GATEWAY}/{quote(service['name'], safe='')}/", None, headers) as response:
            answered = f"{response.status} {response.reason}"
    except AgentProblemError as error:
        yield from _blame(error, service)
        return
    yield from _passed(Layer.ANSWER, service)
    yield Finding(Layer.ANSWER, works=True, detail=answered)


def _blame(error: AgentProblemError, service: Json) -> Iterator[Finding]:
    """The layer that a refusal is about, after those that must have worked before. Raises what is about none."""
    layer = AT_FAULT.get(error.code)
    if layer is None and (error.code == UNNAMED or error.problem.get("layer") in OWN_LAYERS):
        yield Finding(Layer.OWN, works=False, detail=in_language(error.problem))
        return
    if layer is None:
        raise error
    yield from _passed(layer, service)
    detail = " ".join(filter(None, (in_language(error.problem), error.problem.get("hint"))))
    yield Finding(layer, works=error.code == PAGE, detail=detail)


def _passed(last: Layer, service: Json) -> Iterator[Finding]:
    _ = translator()
    details = {
        Layer.SERVER: _("it is the server's, and of a known authority"),
        Layer.OWN: key_words(service["certificate"]),
    }
    if last in BEYOND:
        for layer in BEYOND[: BEYOND.index(last)]:
            yield Finding(layer, works=True, detail=details.get(layer, ""))


def _show(service: Json, findings: list[Finding]) -> None:
    _ = translator()
    say(_("{label}: {text}").format(label=service["title"], text=service["url"]))
    if not service["confirmed"]:
        say("  " + _("(address not confirmed)"))
    for finding in findings:
        words = _layer_words(finding.layer)
        told = _("{label}: {text}").format(label=words, text=finding.detail) if finding.detail else words
        say(f"  {_mark(finding)} {told}")


def _mark(finding: Finding) -> str:
    return "?" if finding.works is None else "✓" if finding.works else "✗"


def _layer_words(layer: Layer) -> str:
    _ = translator()
    return {
        Layer.NAME: _("name"),
        Layer.CONNECTION: _("connection"),
        Layer.TLS: _("TLS"),
        Layer.SERVER: _("the server's certificate"),
        Layer.OWN: _("your certificate and key"),
        Layer.ANSWER: _("answer"),
    }[layer]
