"""`cps-agent modules`: which programs use the card through the agent; set them up, and back. No agent is asked."""

from __future__ import annotations

import os
import re
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.certificates.anchors import igc_sante
from agent.certificates.test_root import TestRoot
from agent.client import Json
from agent.commands.exits import Exit
from agent.commands.modules_words import (
    describe_failure,
    describe_finding,
    describe_step,
    door_words,
    failure_words,
    finding_words,
    hint_words,
    missing_words,
    plan_words,
)
from agent.commands.output import complain, say, say_json
from agent.door.address import DoorUnavailableError, choose_paths
from agent.modules.authorities import Authority
from agent.modules.hints import Hint, list_hints
from agent.modules.machine import Wishes, find_machine_desk
from agent.modules.plan import Desk, Failure, Plan, alone, apply, find_desk
from agent.modules.surroundings import NoHomeError, find_surroundings
from agent.modules.values import STANDING, Kind
from agent.people.translations import load_words, translator
from agent.settings import SettingsError, load_settings, usual_data_dir
from drivers.card.certificate import Certificate, parse_certificate

COMMON_NAME: Final = "2.5.4.3"
MAX_ANSWER: Final = 16
SITE: Final = re.compile(r"https://(\[\*\.\])?[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]{1,5})?")
"""A pattern of Chromium's policies for one site, or with [*.] for all below it."""


def run_status(arguments: Namespace) -> int:
    """`cps-agent modules status`."""

    def show(desk: Desk) -> int:
        findings = desk.look()
        if arguments.json:
            say_json(_describe(desk) | {"places": [describe_finding(each) for each in findings]})
            return Exit.OK
        words = load_words()
        lines = [] if arguments.system else [*door_words(desk.door, words)]
        lines += missing_words(desk.installed, words)
        lines += [line for each in findings for line in finding_words(each, words)]
        for line in (*lines, *hint_words(_list_hints(desk), words)):
            say(line)
        return Exit.OK

    return _at_desk(arguments, show)


def run_setup(arguments: Namespace) -> int:
    """`cps-agent modules setup`."""
    _ = translator()
    if not arguments.system and (arguments.sites or arguments.issuers or arguments.trust_authorities):
        complain(_("--site, --issuer and --trust-authorities need --system"))
        return Exit.USAGE
    wrong = next((site for site in arguments.sites if not SITE.fullmatch(site)), None)
    if wrong is not None:
        complain(_("{site} is no site: write it as https://HOST").format(site=wrong))
        return Exit.USAGE
    return _at_desk(arguments, lambda desk: _change(desk, desk.plan_setup(), arguments))


def run_remove(arguments: Namespace) -> int:
    """`cps-agent modules remove`."""

    def remove(desk: Desk) -> int:
        plan = desk.plan_removal()
        code = _change(desk, plan, arguments)
        if not arguments.json and any(step.place.kind is Kind.FIREFOX_POLICY for step in plan.steps):
            say(
                load_words().gettext(
                    "Profiles of Firefox keep what a policy brought. Each user runs: cps-agent modules remove"
                )
            )
        return code

    return _at_desk(arguments, remove)


def _at_desk(arguments: Namespace, work: Callable[[Desk], int]) -> int:
    _ = translator()
    try:
        return work(_find_desk(arguments))
    except SettingsError as error:
        complain(str(error))
        return Exit.FAILED
    except DoorUnavailableError as error:
        complain(_("Programs cannot be set up here: {reason}").format(reason=error))
        return Exit.FAILED
    except NoHomeError as error:
        complain(_("{folder} is not the home folder of this user. Run this without sudo.").format(folder=error))
        return Exit.USAGE


def _find_desk(arguments: Namespace) -> Desk:
    """Raises SettingsError, DoorUnavailableError, NoHomeError."""
    data_dir, usual = load_settings({"data_dir": arguments.data_dir}).data_dir, usual_data_dir()
    paths = choose_paths(data_dir, usual, os.environ)
    authorities = _list_authorities(data_dir if arguments.data_dir else None)
    if arguments.system:
        return find_machine_desk(arguments.root, authorities, _read_wishes(arguments, authorities))
    where = find_surroundings(data_dir, paths.own, paths.common, os.environ)
    return find_desk(where, authorities, ssh=getattr(arguments, "ssh", False))


def _read_wishes(arguments: Namespace, authorities: tuple[Authority, ...]) -> Wishes:
    """Cards have their certificates from every authority that is not one of organisations, test cards included."""
    persons = [each.name for each in authorities if "ORGANISATIONS" not in each.name]
    return Wishes(
        sites=tuple(getattr(arguments, "sites", ())),
        issuers=tuple(getattr(arguments, "issuers", ())) or tuple(persons),
        trust=getattr(arguments, "trust_authorities", False),
    )


def _list_authorities(data_dir: Path | None) -> tuple[Authority, ...]:
    """The issuing authorities of IGC-Santé, and those of the test cards of a data folder that is named."""
    certificates = list(igc_sante().authorities)
    if data_dir is not None:
        certificates += [parse_certificate(der) for der in TestRoot(data_dir).authorities_der()]
    return tuple(_authority(each) for each in certificates if each.subject.der != each.issuer.der)


def _authority(certificate: Certificate) -> Authority:
    names = certificate.subject.texts(COMMON_NAME)
    return Authority(names[-1] if names else certificate.subject.rfc4514(), certificate.der)


def _change(desk: Desk, plan: Plan, arguments: Namespace) -> int:
    """Show, ask, do, and say what became of it."""
    if not arguments.json:
        _show_plan(plan)
    consent = _find_consent(plan, arguments)
    if consent is not Exit.OK:
        return consent
    done = [] if arguments.dry_run else _carry_out(desk, plan, quiet=arguments.json)
    failures = [*plan.failures, *(each for each in done if isinstance(each, Failure))]
    if arguments.json:
        say_json(_describe_change(plan, done, failures))
    return Exit.OK if all(each.error.trouble in STANDING for each in failures) else Exit.FAILED


def _show_plan(plan: Plan) -> None:
    words = load_words()
    _ = words.gettext
    for line in plan_words(plan.steps, words):
        say(line)
    for failure in plan.failures:
        complain(failure_words(failure, words))
    if not plan.steps:
        say(_("Nothing is to be changed."))


def _find_consent(plan: Plan, arguments: Namespace) -> Exit:
    """Whether the plan may be carried out; a person says so once it was shown."""
    _ = translator()
    if not plan.steps or arguments.yes or arguments.dry_run:
        return Exit.OK
    if not sys.stdin.isatty() or arguments.json:
        complain(_("Nobody can be asked here: give --yes, or --dry-run to see what would change."))
        return Exit.USAGE
    sys.stdout.write(_("Do this? [y/N] "))
    sys.stdout.flush()
    answer = sys.stdin.readline(MAX_ANSWER).strip().lower()
    if answer in {"y", "yes", _("y"), _("yes")}:
        return Exit.OK
    say(_("Nothing was changed."))
    return Exit.PERSON


def _carry_out(desk: Desk, plan: Plan, *, quiet: bool) -> list[object]:
    words = load_words()
    done: list[object] = []
    with alone(desk.where.home):
        for each in apply(plan):
            done.append(each)
            if isinstance(each, Failure):
                complain(failure_words(each, words))
    if not quiet and plan.steps and not any(isinstance(each, Failure) for each in done):
        say(words.gettext("Done. Programs that are running must be started again."))
    return done


def _list_hints(desk: Desk) -> tuple[Hint, ...]:
    return list_hints(desk.installed.client, desk.door)


def _describe(desk: Desk) -> Json:
    door = desk.door
    return {
        "door": {
            "address": str(door.path),
            "answers": door.answers,
            "commonAddress": str(door.common) if door.common else None,
            "commonIsOurs": door.common_is_ours,
            "elsewhere": door.elsewhere,
        },
        "hints": {each.program: list(each.lines) for each in _list_hints(desk)},
        "library": str(desk.installed.library) if desk.installed.library else None,
        "missing": [{"name": each.name, "package": each.debian} for each in desk.installed.list_missing()],
    }


def _describe_change(plan: Plan, done: list[object], failures: list[Failure]) -> Json:
    return {
        "steps": [describe_step(step) | {"done": step in done} for step in plan.steps],
        "failures": [describe_failure(each) for each in failures],
    }
