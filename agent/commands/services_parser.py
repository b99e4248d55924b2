"""The flags of `cps-agent services`, `call` and `psc`."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser

from agent.commands.verbs import Lazy, add_verb, add_verbs, example_words
from agent.people.translations import translator

SERVICES_EXAMPLES = (
    "cps-agent services",
    "cps-agent services check dmp-development",
    "cps-agent services check insi-qualification --card S0A1B2C3D4E5F607",
    "cps-agent services close dmp",
)
CALL_EXAMPLES = (
    "cps-agent call dmp patient --data td02.xml --assertion vihf.json -o answer.xml",
    "cps-agent call dmp DocumentRepository_Service --data iti41.bin \\",
    "    --type 'multipart/related; type=\"application/xop+xml\"; boundary=b' --assertion vihf.json",
    "cps-agent call esante-api fhir/v2/metadata --card S0A1B2C3D4E5F607 --include",
    'cps-agent call psc-sandbox protocol/openid-connect/userinfo --header "CPS-Agent-Authorization: Bearer $TOKEN"',
)
PSC_EXAMPLES = (
    "cps-agent psc login --client cabinet",
    "cps-agent psc login --client cabinet --way ciba --channel MOBILE",
    "cps-agent psc sessions",
    "TOKEN=$(cps-agent psc token cabinet)",
    "cps-agent psc exchange cabinet https://gateway.api.esante.gouv.fr",
    "cps-agent psc logout cabinet",
)
CHANNELS = ("MOBILE", "CARD")


def add_services(parser: ArgumentParser, lazy: Lazy) -> None:
    """Give the command its verbs; without one it lists. `lazy` makes a runner of module:function."""
    _ = translator()
    verbs = add_verbs(parser, SERVICES_EXAMPLES)
    add_verb(verbs, "list", _("show the services, and the lines that are open"), lazy("services:run_list"))
    check = add_verb(
        verbs, "check", _("connect to a service, and say what works layer by layer"), lazy("services_check:run_check")
    )
    close = add_verb(verbs, "close", _("close the lines to a service"), lazy("services:run_close"))
    for verb in (check, close):
        verb.add_argument("name", metavar=_("SERVICE"), help=_("its name: see cps-agent services"))
    check.add_argument("--card", metavar="NUMBER", help=_("whose key: a card, or a software certificate (S…)"))


def add_call(parser: ArgumentParser) -> None:
    """The flags of one request."""
    _ = translator()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = example_words(CALL_EXAMPLES)
    parser.add_argument("name", metavar=_("SERVICE"), help=_("its name: see cps-agent services"))
    parser.add_argument("path", metavar=_("PATH"), nargs="?", default="", help=_("below the address of the service"))
    parser.add_argument("--method", metavar="METHOD", help=_("default: POST with --data, GET without"))
    parser.add_argument("--data", metavar="FILE", help=_("the body; - is the standard input"))
    parser.add_argument("--type", metavar="TYPE", help=_("its media type (default: application/soap+xml)"))
    parser.add_argument(
        "--header",
        dest="headers",
        action="append",
        default=[],
        metavar="NAME:VALUE",
        help=_("a header to send along, or @FILE with one a line (may be given several times)"),
    )
    parser.add_argument(
        "--assertion", metavar="FILE", help=_("sign a VIHF or INSi assertion with these members, and put it in")
    )
    parser.add_argument("--card", metavar="NUMBER", help=_("whose key: a card, or a software certificate (S…)"))
    parser.add_argument("-i", "--include", action="store_true", help=_("show the head of the answer"))
    parser.add_argument("-o", "--output", metavar="FILE", help=_("a new file for the answer (default: print it)"))


def add_psc(parser: ArgumentParser, lazy: Lazy) -> None:
    """Give the command its verbs; without one it shows the sessions. `lazy` makes a runner of module:function."""
    _ = translator()
    verbs = add_verbs(parser, PSC_EXAMPLES)
    login = add_verb(verbs, "login", _("log in, in the browser or by e-CPS"), lazy("psc:run_login"))
    login.add_argument(
        "--client", required=True, metavar="NAME", help=_("which software: a client of the services file")
    )
    login.add_argument("--way", choices=("browser", "ciba"), default="browser", help=_("default: %(default)s"))
    login.add_argument("--channel", choices=CHANNELS, help=_("with ciba: the phone, or the card"))
    login.add_argument("--login-hint", metavar="ID", help=_("with ciba: the national identifier of the person"))
    login.add_argument("--acr", metavar="LEVEL", help=_("level of assurance to ask for, such as eidas1"))
    add_verb(verbs, "sessions", _("show who is logged in, for which software"), lazy("psc:run_sessions"))
    token = add_verb(verbs, "token", _("print an access token that is valid now"), lazy("psc:run_token"))
    exchange = add_verb(
        verbs, "exchange", _("print an access token for another service (RFC 8693)"), lazy("psc:run_exchange")
    )
    logout = add_verb(verbs, "logout", _("end a session, at the provider too"), lazy("psc:run_logout"))
    for verb in (token, exchange, logout):
        verb.add_argument("session", metavar=_("SESSION"), help=_("its id, or the name of its software"))
    exchange.add_argument("audience", metavar=_("AUDIENCE"), help=_("one of those of the services file"))
    secret = add_verb(
        verbs, "secret", _("keep the secret of a software in the system's key store"), lazy("psc_secret:run_secret")
    )
    secret.add_argument("client", metavar=_("NAME"), help=_("which software: a client of the services file"))
    secret.add_argument("--remove", action="store_true", help=_("remove it from there"))
