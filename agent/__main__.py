"""The command line `cps-agent`, and the hidden commands that the agent starts as its own children."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Sequence
from typing import Final

from agent.commands.exits import Exit

CHILDREN: Final = {
    "_dialog": "agent.people.dialog.child",
    "_keeper": "agent.door.bystander",
    "_menu": "agent.people.panel.menu",
    "_revocation": "agent.certificates.revocation.child",
    "_signing": "agent.signing.worker",
    "_tls": "agent.services.tls.selftest",
    "_verification": "agent.signing.verification.child",
}
"""Hidden commands that are the function `main` of a module."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Gives its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] and words[0].startswith("_"):
        return _run_child(words[0], words[1:])
    _write_any_text()
    from agent.commands.parser import make_parser  # noqa: PLC0415 - a child needs no parser

    parsed = make_parser().parse_args(words)
    try:
        return int(parsed.run(parsed))
    except KeyboardInterrupt:
        return 128 + 2
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.FAILED


def _run_child(name: str, words: list[str]) -> int:
    """Run a hidden command; each has modules of its own."""
    if name == "_worker":
        from agent.people.hardening import forbid_core_dumps  # noqa: PLC0415
        from drivers.pkcs11.worker import main as run_worker  # noqa: PLC0415

        forbid_core_dumps()
        return run_worker(words)
    if name not in CHILDREN:
        return Exit.USAGE
    return int(importlib.import_module(CHILDREN[name]).main())


def _write_any_text() -> None:
    """Names and signs that the terminal's encoding lacks become question marks; programs on Windows get UTF-8 too."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8" if sys.platform == "win32" else None, errors="replace")


if __name__ == "__main__":
    sys.exit(main())
