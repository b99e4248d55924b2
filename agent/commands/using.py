"""Commands that use the card through the running agent: sign, authenticate, pin."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from agent.client import Client
from agent.commands.exits import Exit
from agent.commands.output import complain, report, say, say_json
from agent.people.translations import translator
from agent.settings import load_settings

SUFFIXES = {True: ".p7s", False: ".p7m"}


def run_sign(arguments: Namespace) -> int:
    """`cps-agent sign FILE…`: one CMS file beside each document."""
    _ = translator()
    detached = not arguments.enveloping
    paths = [Path(name) for name in arguments.files]
    targets = [Path(f"{path}{SUFFIXES[detached]}") for path in paths]
    for target in targets:
        if target.exists() and not arguments.force:
            complain(_("{path} exists already; --force replaces it").format(path=target))
            return Exit.USAGE

    def command() -> int:
        documents = [(path.name, path.read_bytes()) for path in paths]
        with _client(arguments) as client:
            signatures = client.sign(documents, detached=detached, card_number=arguments.card)
        for target, signature in zip(targets, signatures, strict=True):
            target.write_bytes(signature.content)
        if arguments.json:
            say_json({"signatures": [str(target) for target in targets]})
        else:
            for target in targets:
                say(_("Signed: {path}").format(path=target))
        return Exit.OK

    try:
        return report(command, as_json=arguments.json)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}")
        return Exit.USAGE


def run_authenticate(arguments: Namespace) -> int:
    """`cps-agent authenticate ORIGIN NONCE`: print a Web eID token."""

    def command() -> int:
        with _client(arguments) as client:
            say_json(client.authenticate(arguments.origin, arguments.nonce, arguments.card))
        return Exit.OK

    return report(command, as_json=arguments.json)


def run_pin(arguments: Namespace) -> int:
    """`cps-agent pin verify|change|unblock|lock`: the agent asks for the codes in its own window."""
    return _run_lock(arguments) if arguments.verb == "lock" else _run_code(arguments)


def _run_lock(arguments: Namespace) -> int:
    _ = translator()

    def command() -> int:
        with _client(arguments) as client:
            ended = client.lock()
        if arguments.json:
            say_json({"ended": ended})
        else:
            say(_("The agent keeps no code any more."))
        return Exit.OK

    return report(command, as_json=arguments.json)


def _run_code(arguments: Namespace) -> int:
    _ = translator()

    def command() -> int:
        with _client(arguments) as client:
            answer = client.pin(arguments.verb, arguments.card)
        if arguments.json:
            say_json(answer)
        elif str(answer["cardNumber"]).startswith("S"):
            say(_("Done; the passphrase of certificate {number} works.").format(number=answer["cardNumber"]))
        else:
            say(_("Done; the code of card {number} works.").format(number=answer["cardNumber"]))
        return Exit.OK

    return report(command, as_json=arguments.json)


def _client(arguments: Namespace) -> Client:
    return Client.of(load_settings({"data_dir": arguments.data_dir}).data_dir)
