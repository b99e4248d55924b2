"""The flags of `cps-agent modules` and its verbs."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser
from pathlib import Path

from agent.commands.verbs import Lazy, add_verb, add_verbs
from agent.people.translations import translator

EXAMPLES = (
    "cps-agent modules",
    "cps-agent modules setup --dry-run",
    "cps-agent modules setup",
    "cps-agent modules remove",
    "sudo cps-agent modules setup --system --site https://dmp.example",
)


def add_modules(parser: ArgumentParser, lazy: Lazy) -> None:
    """Give the command its verbs; without one it tells the state. `lazy` makes a runner of module:function."""
    _ = translator()
    parser.set_defaults(system=False, root=Path("/"))
    verbs = add_verbs(parser, EXAMPLES)
    told = _("show which programs use the card through the agent")
    status = add_verb(verbs, "status", told, lazy("modules:run_status"))
    setup = add_verb(verbs, "setup", _("set programs up; shows what changes first"), lazy("modules:run_setup"))
    remove = add_verb(verbs, "remove", _("undo what setup did, and nothing else"), lazy("modules:run_remove"))
    for verb in (status, setup, remove):
        verb.add_argument("--system", action="store_true", help=_("for every user of this workstation (root)"))
        verb.add_argument("--root", type=Path, metavar="DIR", default=Path("/"), help=SUPPRESS)
    for verb in (setup, remove):
        verb.add_argument("--yes", action="store_true", help=_("do it without asking"))
        verb.add_argument("--dry-run", action="store_true", help=_("only show what would change"))
    _add_wishes(setup)


def _add_wishes(setup: ArgumentParser) -> None:
    _ = translator()
    setup.add_argument("--ssh", action="store_true", help=_("OpenSSH as well, in ~/.ssh/config"))
    setup.add_argument(
        "--site",
        dest="sites",
        action="append",
        default=[],
        metavar="https://HOST",
        help=_("with --system: Chromium and Chrome choose the card's certificate there by themselves (several times)"),
    )
    setup.add_argument(
        "--issuer",
        dest="issuers",
        action="append",
        default=[],
        metavar="CN",
        help=_("with --site: who issued the certificate (default: the authorities of persons of IGC-Santé)"),
    )
    setup.add_argument(
        "--trust-authorities",
        action="store_true",
        help=_("with --system: Firefox imports the issuing authorities, and trusts them for servers too"),
    )
