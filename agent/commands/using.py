"""Commands that use the card through the running agent: authenticate, pin."""

from __future__ import annotations

from argparse import Namespace

from agent.commands.calling import connect
from agent.commands.exits import Exit
from agent.commands.output import report, say, say_json
from agent.people.translations import translator


def run_authenticate(arguments: Namespace) -> int:
    """`cps-agent authenticate ORIGIN NONCE`: print a Web eID token."""

    def command() -> int:
        with connect(arguments) as client:
            say_json(client.authenticate(arguments.origin, arguments.nonce, arguments.card))
        return Exit.OK

    return report(command, as_json=arguments.json)


def run_pin(arguments: Namespace) -> int:
    """`cps-agent pin verify|change|unblock|lock`: the agent asks for the codes in its own window."""
    return _run_lock(arguments) if arguments.verb == "lock" else _run_code(arguments)


def _run_lock(arguments: Namespace) -> int:
    _ = translator()

    def command() -> int:
        with connect(arguments) as client:
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
        with connect(arguments) as client:
            answer = client.pin(arguments.verb, arguments.card)
        if arguments.json:
            say_json(answer)
        elif str(answer["cardNumber"]).startswith("S"):
            say(_("Done; the passphrase of certificate {number} works.").format(number=answer["cardNumber"]))
        else:
            say(_("Done; the code of card {number} works.").format(number=answer["cardNumber"]))
        return Exit.OK

    return report(command, as_json=arguments.json)
