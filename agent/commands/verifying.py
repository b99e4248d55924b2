"""`cps-agent verify`: whether the signatures of files hold, who made them and when; the exit code tells as well."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from agent.commands.calling import connect
from agent.commands.exits import Exit
from agent.commands.files import WrongCallError, with_files
from agent.commands.output import report, say, say_json
from agent.people.translations import choose_language, translator
from agent.sending import Json, ToVerify


def run_verify(arguments: Namespace) -> int:
    """`cps-agent verify FILE… [--content FILE] [--anchor FILE]…`: 0 when every file has signatures, and all hold."""

    def run() -> int:
        documents = _list_documents(arguments)
        anchors = [Path(name).read_bytes() for name in arguments.anchors]
        return report(lambda: _verify(arguments, documents, anchors), as_json=arguments.json)

    return with_files(run)


def _list_documents(arguments: Namespace) -> list[ToVerify]:
    """Raises WrongCallError."""
    _ = translator()
    if arguments.content is not None and len(arguments.files) > 1:
        raise WrongCallError(_("--content goes with a single file"))
    content = None if arguments.content is None else Path(arguments.content)
    return [ToVerify(Path(name).name or name, Path(name), content) for name in arguments.files]


def _verify(arguments: Namespace, documents: list[ToVerify], anchors: list[bytes]) -> int:
    with connect(arguments) as client:
        answers = client.verify(documents, anchors)
    if arguments.json:
        say_json({"documents": answers})
    else:
        for answer in answers:
            _show(answer)
    return Exit.OK if all(map(_holds, answers)) else Exit.SIGNING


def _holds(answer: Json) -> bool:
    signatures = answer["signatures"]
    return bool(signatures) and all(signature["valid"] for signature in signatures)


def _show(answer: Json) -> None:
    say(f"{answer['name']}:")
    for one in answer["signatures"] or [answer]:
        say("  " + str(one["sentenceFr" if choose_language() == "fr" else "sentence"]))
        if "signatures" not in one:
            say("    " + _details(one))
        if one.get("hint"):
            say(f"    ({one['hint']})")


def _details(signature: Json) -> str:
    """The words of the API, for whoever has to look closer."""
    signer = signature["signer"] or {}
    parts = [signature["format"], signature["level"], signature.get("profile"), signature.get("reason")]
    return ", ".join(filter(None, [*parts, signer.get("name"), *signature["covers"]]))
