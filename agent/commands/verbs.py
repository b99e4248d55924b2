"""Commands that have verbs, such as `cps-agent software list`: what their parsers share."""

from __future__ import annotations

import argparse
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from agent.people.translations import translator

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    Verbs = _SubParsersAction[ArgumentParser]

Lazy = Callable[[str], Callable[[Namespace], int]]
"""Makes a runner of module:function, whose module is imported only when it runs."""


def add_verbs(parser: ArgumentParser, examples: Iterable[str]) -> Verbs:
    """Give a command its place for verbs, `--json` for when it has none, and examples below its help."""
    _ = translator()
    parser.add_argument("--json", action="store_true", help=_("print JSON for a program"))
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = example_words(examples)
    return parser.add_subparsers(metavar=_("VERB"))


def add_verb(verbs: Verbs, name: str, description: str, run: Callable[[Namespace], int]) -> ArgumentParser:
    """One verb; what stands before it counts as well."""
    _ = translator()
    parser = verbs.add_parser(name, help=description, description=description)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", default=SUPPRESS, help=_("data folder of the agent"))
    parser.add_argument("--json", action="store_true", default=SUPPRESS, help=_("print JSON for a program"))
    parser.set_defaults(run=run)
    return parser


def example_words(lines: Iterable[str]) -> str:
    """The end of a help text."""
    _ = translator()
    return _("examples:") + "".join(f"\n  {line}" for line in lines)
