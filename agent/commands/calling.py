"""How commands reach the running agent: by the data folder that `--data-dir`, or the settings, name."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable

from agent.client import Client
from agent.commands.exits import Exit
from agent.commands.output import report, say_json
from agent.settings import load_settings


def connect(arguments: Namespace) -> Client:
    """The agent of this data folder. Raises AgentUnreachableError, SettingsError."""
    return Client.of(load_settings({"data_dir": arguments.data_dir}).data_dir)


def ask(arguments: Namespace, work: Callable[[Client], object]) -> int:
    """Let `work` talk to the agent and print; with --json its answer is printed instead."""

    def command() -> int:
        with connect(arguments) as client:
            answer = work(client)
        if arguments.json:
            say_json(answer)
        return Exit.OK

    return report(command, as_json=arguments.json)
