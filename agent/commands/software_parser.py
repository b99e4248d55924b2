"""The flags of `cps-agent software` and its verbs."""

from __future__ import annotations

import argparse
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agent.people.translations import translator

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    Verbs = _SubParsersAction[ArgumentParser]

Lazy = Callable[[str], Callable[[Namespace], int]]


def add_software(parser: ArgumentParser, lazy: Lazy) -> None:
    """Give the command its verbs; without one it lists. `lazy` makes a runner of module:function."""
    _ = translator()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _examples()
    parser.set_defaults(json=False)
    verbs = parser.add_subparsers(metavar=_("VERB"))
    _add_verb(verbs, "list", _("show the certificates that are kept here"), lazy("software:run_list"))
    take = _add_verb(verbs, "import", _("keep a certificate with its key"), lazy("software:run_import"))
    take.add_argument("files", nargs="+", metavar="FILE", help=_("one PKCS#12 file (.p12, .pfx), or PEM files"))
    how = take.add_mutually_exclusive_group()
    how.add_argument(
        "--passphrase",
        dest="protection",
        action="store_const",
        const="passphrase",
        help=_("protect the key by a passphrase that you choose in the agent's window"),
    )
    how.add_argument(
        "--key-store",
        dest="protection",
        action="store_const",
        const="key-store",
        help=_("have this workstation's key store keep what opens the key"),
    )
    remove = _add_verb(verbs, "remove", _("delete a certificate and its key"), lazy("software:run_remove"))
    remove.add_argument("target", metavar="NUMBER", help=_("the number S…, or the id of a single certificate"))


def _add_verb(verbs: Verbs, name: str, description: str, run: Callable[[Namespace], int]) -> ArgumentParser:
    _ = translator()
    parser = verbs.add_parser(name, help=description, description=description)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", default=SUPPRESS, help=_("data folder of the agent"))
    parser.add_argument("--json", action="store_true", help=_("print JSON for a program"))
    parser.set_defaults(run=run)
    return parser


def _examples() -> str:
    _ = translator()
    return _("examples:") + "".join(
        f"\n  {line}"
        for line in (
            "cps-agent software import cabinet.p12",
            "cps-agent software import cle.pem certificat.pem --passphrase",
            "cps-agent software list",
            "cps-agent sign lettre.pdf --card S0A1B2C3D4E5F607",
            "cps-agent pin change --card S0A1B2C3D4E5F607",
            "cps-agent software remove S0A1B2C3D4E5F607",
        )
    )
