"""Every command with its flags; a command's module is imported only when it runs."""

from __future__ import annotations

import argparse
import gc
import gettext
import importlib
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from agent import __version__
from agent.commands.dmp_parser import add_dmp
from agent.commands.mail_parser import add_mail
from agent.commands.modules_parser import add_modules
from agent.commands.services_parser import add_call, add_psc, add_services
from agent.commands.signing_parser import add_batch, add_signing
from agent.commands.software_parser import add_software
from agent.commands.verbs import example_words
from agent.people.translations import DOMAIN, LOCALE_DIR, translator
from agent.settings import CARD_ACCESSES, PROMPTS
from drivers.virtual.names import DEFAULT_KIND, KIND_NAMES, PCSC_KIND_NAMES

PANEL_PAGES = ("card", "certificates", "means", "grants", "journal", "diagnosis", "errands", "settings")

AUDIENCES = ("self", "structure", "employer")

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    Commands = _SubParsersAction[ArgumentParser]


def make_parser() -> ArgumentParser:
    """The parser of the whole command line, in the person's language."""
    gettext.bindtextdomain(DOMAIN, LOCALE_DIR)  # argparse takes its own words from the text domain in force
    gettext.textdomain(DOMAIN)
    _ = translator()
    parser = ArgumentParser(
        prog="cps-agent",
        description=_("Lends your CPS card to web pages and programs, under your eyes."),
        epilog=_examples() + "\n\n" + _exit_codes(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cps-agent {__version__}")
    commands = parser.add_subparsers(required=True, metavar=_("COMMAND"))
    _add_running(commands)
    _add_asking(commands)
    _add_using(commands)
    software = _add(commands, "software", _("keep, use and order software certificates (.p12)"), "software:run_list")
    add_software(software, _lazy)
    dmp = _add(commands, "dmp", _("sign for the DMP, and make VIHF and INSi assertions"), "dmp:run_help")
    add_dmp(dmp, _lazy)
    _add_services(commands)
    modules = _add(
        commands, "modules", _("let browsers, ssh and other PKCS#11 programs use the card"), "modules:run_status"
    )
    add_modules(modules, _lazy)
    _add_desktop(commands)
    return parser


def _examples() -> str:
    return example_words(
        (
            "cps-agent demo",
            "cps-agent demo --kind cpe-anonymous",
            "cps-agent serve",
            "cps-agent restart",
            "cps-agent modules setup --dry-run",
            "cps-agent cards --json",
            "cps-agent sign ordonnance.pdf --format pades --visible",
            "cps-agent verify ordonnance-signed.pdf",
            "cps-agent batch --from-dir comptes-rendus --output signatures",
            "cps-agent errands lost",
            "cps-agent pin change",
            "cps-agent pin lock",
            "cps-agent software import cabinet.p12",
            "cps-agent services check dmp",
            "cps-agent psc login --client cabinet",
            "cps-agent mail login camille",
            "cps-agent journal --limit 20",
            "cps-agent virtual-card --vpcd --trace",
            "cps-agent virtual-card --vpcd --kind cpe",
            "cps-agent serve --unattended --virtual-kind cps3,cpe",
        )
    )


def _exit_codes() -> str:
    _ = translator()
    return _(
        "exit codes: 0 done, 1 failed, 2 wrong call, 3 no agent runs, 4 service, reader or card, 5 code wrong, blocked "
        "or refused,\n  6 not granted, 7 another program has the card, 8 certificate or key, 9 Annuaire Santé,\n  "
        "10 document, time-stamp or signature, 11 health service"
    )


def _add(commands: Commands, name: str, description: str, runner: str) -> ArgumentParser:
    """One command; `runner` is module:function below agent.commands."""
    _ = translator()
    parser = commands.add_parser(name, help=description, description=description)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help=_("data folder of the agent"))
    parser.set_defaults(run=_lazy(runner))
    return parser


def _lazy(runner: str) -> Callable[[Namespace], int]:
    def run(arguments: Namespace) -> int:
        module, function = runner.split(":")
        command: Callable[[Namespace], int] = getattr(_load(f"agent.commands.{module}"), function)
        return command(arguments)

    return run


def _load(name: str) -> ModuleType:
    """Import with the garbage collector off: what imports make lasts, and walking through it takes a good while.

    The parser has done its work by then, and would last with them.
    """
    gc.collect()
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def _add_json(parser: ArgumentParser) -> None:
    _ = translator()
    parser.add_argument("--json", action="store_true", help=_("print JSON for a program"))


def _add_running(commands: Commands) -> None:
    _ = translator()
    demo = _add(commands, "demo", _("show the main job on a test card, without reader or screen"), "demo:run_demo")
    _add_json(demo)
    demo.add_argument("--serve", action="store_true", help=_("then keep running, with the playground open"))
    demo.add_argument("--port", type=int, help=_("port of the playground (default: any free one)"))
    demo.add_argument(
        "--kind", choices=KIND_NAMES, default=DEFAULT_KIND, help=_("which test card (default: %(default)s)")
    )
    serve = _add(commands, "serve", _("run the agent until Ctrl-C"), "serving:run_serve")
    serve.add_argument("--port", type=int, help=_("listen on this port alone (0: any free one)"))
    serve.add_argument("--virtual", action="store_true", default=None, help=_("use the embedded test card"))
    serve.add_argument(
        "--virtual-kind",
        metavar="KIND[,KIND…]",
        help=_("use embedded test cards of these kinds, each in a reader of its own: {kinds}").format(
            kinds=", ".join(KIND_NAMES)
        ),
    )
    serve.add_argument(
        "--unattended",
        action="store_true",
        default=None,
        help=_("consent and give codes by script, to test cards only"),
    )
    serve.add_argument("--prompt", choices=PROMPTS, help=_("how to ask you for consent and codes"))
    serve.add_argument("--language", choices=("fr", "en"), help=_("language of the questions"))
    serve.add_argument(
        "--module",
        dest="modules",
        action="append",
        metavar="PATH",
        help=_("use this PKCS#11 library as well (may be given several times)"),
    )
    serve.add_argument(
        "--card-access",
        choices=CARD_ACCESSES,
        help=_("way to the card: direct, by PKCS#11 modules, or modules only where there is no direct way (auto)"),
    )
    _add_trusting(serve)
    serve.add_argument("--verbose", action="store_true", help=_("log more"))
    _add(commands, "restart", _("restart the running agent; programs stay connected"), "restarting:run_restart")
    _add_virtual_card(commands)


def _add_virtual_card(commands: Commands) -> None:
    _ = translator()
    card = _add(
        commands, "virtual-card", _("put a test card into a virtual PC/SC reader"), "virtual_card:run_virtual_card"
    )
    card.add_argument("--vpcd", nargs="?", const="", metavar="HOST:PORT", required=True, help=_("where vpcd listens"))
    card.add_argument(
        "--kind", choices=PCSC_KIND_NAMES, default=DEFAULT_KIND, help=_("which test card (default: %(default)s)")
    )
    card.add_argument("--delay", type=int, default=0, metavar="MS", help=_("time that each exchange takes"))
    card.add_argument("--trace", action="store_true", help=_("print every exchange, codes hidden"))


def _add_trusting(serve: ArgumentParser) -> None:
    _ = translator()
    serve.add_argument(
        "--trust-test-cards",
        action="store_true",
        default=None,
        help=_("let the test root of the data folder count as an authority"),
    )
    serve.add_argument(
        "--test-authority",
        dest="test_authorities",
        action="append",
        metavar="PATH",
        help=_("let the test authorities in this file or folder count (may be given several times)"),
    )


def _add_asking(commands: Commands) -> None:
    _ = translator()
    _add_json(
        _add(commands, "status", _("say whether the agent runs, and what is in the readers"), "asking:run_status")
    )
    cards = _add(commands, "cards", _("show the cards and their holders"), "asking:run_cards")
    _add_json(cards)
    cards.add_argument("--situations", action="store_true", help=_("read where the holder works; asks for the code"))
    certificates = _add(
        commands,
        "certificates",
        _("show the certificates of cards, and software certificates"),
        "asking:run_certificates",
    )
    _add_json(certificates)
    certificates.add_argument("--forget", action="store_true", help=_("forget every known card instead"))
    _add_json(
        _add(commands, "means", _("show who has which means of identification, and what is missing"), "means:run_means")
    )
    _add_errands(commands)
    grants = _add(commands, "grants", _("list what sites and programs may do, or revoke it"), "asking:run_grants")
    _add_json(grants)
    grants.add_argument("--revoke", metavar="ID", help=_("take this grant back first"))
    grants.add_argument("--allow-again", action="store_true", help=_("let callers that you refused ask again"))
    journal = _add(commands, "journal", _("show every use of the card and every refusal"), "asking:run_journal")
    _add_json(journal)
    journal.add_argument("--limit", type=int, default=50, help=_("how many entries, newest first"))
    directory = _add(
        commands,
        "directory",
        _("look a professional up in the Annuaire Santé, or store its key"),
        "directory:run_directory",
    )
    _add_json(directory)
    directory.add_argument(
        "what", nargs="?", metavar="RPPS|key", help=_("an RPPS number; or key, to type the API key, which is not shown")
    )
    directory.add_argument("--card", nargs="?", const="", metavar="NUMBER", help=_("look up the holder of the card"))
    directory.add_argument("--remove", action="store_true", help=_("with key: take the API key out of the key store"))
    _add(commands, "token", _("print the local token that programs send"), "asking:run_token")


def _add_errands(commands: Commands) -> None:
    _ = translator()
    errands = _add(
        commands, "errands", _("say whom to turn to: cards, codes, e-CPS, staff, certificates"), "errands:run_errands"
    )
    _add_json(errands)
    errands.add_argument(
        "situation",
        nargs="?",
        metavar=_("SITUATION"),
        help=_("such as lost, codes-lost, order or staff, or any word (default: all)"),
    )
    errands.add_argument("--for", dest="audience", choices=AUDIENCES, help=_("for yourself, or for whose staff"))


def _add_using(commands: Commands) -> None:
    _ = translator()
    sign = _add(commands, "sign", _("sign files with the card, in any format"), "signing:run_sign")
    add_signing(sign)
    _add_verifying(commands)
    batch = _add(commands, "batch", _("sign up to 1,000 files with one code"), "batch:run_batch")
    add_batch(batch)
    authenticate = _add(commands, "authenticate", _("make a Web eID token for a site"), "using:run_authenticate")
    authenticate.add_argument("origin", help=_("the site, such as https://example.org"))
    authenticate.add_argument("nonce", help=_("the challenge of the site, in base64 as it sent it"))
    pin = _add(
        commands, "pin", _("check, change or unblock the code of the card, or have it forgotten"), "using:run_pin"
    )
    pin.add_argument("verb", choices=("verify", "change", "unblock", "lock"))
    for parser in (sign, batch, authenticate, pin):
        _add_json(parser)
        parser.add_argument("--card", metavar="NUMBER", help=_("which card, when there are several"))


def _add_verifying(commands: Commands) -> None:
    _ = translator()
    verify = _add(commands, "verify", _("say whether signatures hold, and who made them"), "verifying:run_verify")
    verify.add_argument("files", nargs="+", metavar="FILE", help=_("signed documents, or signatures"))
    verify.add_argument("--content", metavar="FILE", help=_("what a signature signs, where that is a file of its own"))
    verify.add_argument(
        "--anchor",
        dest="anchors",
        action="append",
        default=[],
        metavar="FILE",
        help=_("believe this certificate (PEM or DER) instead of the known authorities (may be given several times)"),
    )
    _add_json(verify)


def _add_services(commands: Commands) -> None:
    _ = translator()
    services = _add(
        commands, "services", _("show the health services, and whether each can be reached"), "services:run_list"
    )
    add_services(services, _lazy)
    call = _add(commands, "call", _("send a request to a health service, with the card's key"), "call:run_call")
    add_call(call)
    psc = _add(commands, "psc", _("log in with Pro Santé Connect, and use the session"), "psc:run_sessions")
    add_psc(psc, _lazy)
    mail = _add(commands, "mail", _("let your mail program come to your MSSanté mailbox"), "mail:run_status")
    add_mail(mail, _lazy)


def _add_desktop(commands: Commands) -> None:
    _ = translator()
    tray = _add(commands, "tray", _("show the agent's icon in the tray of the desktop"), "tray:run_tray")
    tray.add_argument("--no-start", action="store_true", help=_("do not start the agent when none runs"))
    tray.add_argument(
        "--autostart",
        choices=("on", "off", "status"),
        help=_("whether the icon starts with your session; nothing else"),
    )
    tray.add_argument(
        "--tray-wait",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help=_("how long to wait for a tray before saying that there is none"),
    )
    panel = _add(commands, "panel", _("open the window with card, grants, journal and help"), "panel:run_panel")
    panel.add_argument("--page", choices=PANEL_PAGES, default=PANEL_PAGES[0], help=_("the page to begin with"))
    panel.add_argument("--from-tray", action="store_true", help=argparse.SUPPRESS)
