"""`cps-agent means`: who has which means of identification, and which one is missing."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from agent.client import Json
from agent.commands.calling import connect
from agent.commands.exits import Exit
from agent.commands.output import report, say, say_json
from agent.people.panel.means_pages import lack_words, means_name, means_words, verdict_words
from agent.people.translations import load_words


def run_means(arguments: Namespace) -> int:
    """A block for each person and structure, in it a row for each means."""

    def command() -> int:
        with connect(arguments) as client:
            bearers = client.means()
        if arguments.json:
            say_json(bearers)
        else:
            _show(bearers)
        return Exit.OK

    return report(command, as_json=arguments.json)


def _show(bearers: Sequence[Json]) -> None:
    words = load_words()
    if not bearers:
        say(words.gettext("Nobody's card was in a reader of this workstation yet."))
    names = [means_name(means, words) for bearer in bearers for means in bearer["means"]]
    width = max(map(len, names), default=0)
    for bearer in bearers:
        test = " " + words.gettext("(test)") if bearer["test"] else ""
        rpps = f", RPPS {bearer['rpps']}" if bearer["rpps"] else ""
        say(f"{bearer['name']}{test}{rpps}: {verdict_words(bearer, words)}")
        for means in bearer["means"]:
            say(f"  {means_name(means, words).ljust(width)}  {means_words(means, words)}")
        for lack in bearer["missing"]:
            advice = f": cps-agent errands {lack['errand']}" if lack["errand"] else ""
            say(f"  → {lack_words(lack, words)}{advice}")
