"""`cps-agent dmp`: what the DMP and INSi ask of a card, into a file or onto the screen."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from agent.commands.calling import connect
from agent.commands.exits import Exit
from agent.commands.files import WrongCallError, with_files
from agent.commands.output import complain, in_language, report, say, say_json
from agent.patients import tidy_ins
from agent.people.translations import translator
from agent.sending import Json, given, to_base64
from agent.signing.dmp.words import Hash

SUBMISSION, VIHF, INSI = "/v1/dmp/submission-signature", "/v1/assertions/vihf", "/v1/assertions/insi"
LINKS = "/v1/dmp/links"
MAX_SENT = 2 * 1024 * 1024
"""In bytes. A call takes 16 MB with all its documents; a larger image is hashed here."""
XML, BINARY = "text/xml", "application/octet-stream"


def run_help(arguments: Namespace) -> int:
    """`cps-agent dmp` alone."""
    sys.stderr.write(arguments.usage())
    return Exit.USAGE


def run_sign(arguments: Namespace) -> int:
    """`cps-agent dmp sign OID OID=FILE…`."""
    return _run(arguments, SUBMISSION, lambda: _read_submission(arguments))


def run_vihf(arguments: Namespace) -> int:
    """`cps-agent dmp vihf`."""
    return _run(arguments, VIHF, lambda: _read_members(arguments) | _read_vihf(arguments))


def run_insi(arguments: Namespace) -> int:
    """`cps-agent dmp insi`."""
    return _run(arguments, INSI, lambda: _read_members(arguments) | given(billingId=arguments.billing))


def run_open(arguments: Namespace) -> int:
    """`cps-agent dmp open PAGE`: first what browsers lack, then the page in one of them."""
    ins = None if arguments.ins is None else tidy_ins(arguments.ins)
    body = given(page=arguments.page, ins=ins, kind=None if ins is None else arguments.ins_kind)
    return report(lambda: _open(arguments, body), as_json=arguments.json)


def _open(arguments: Namespace, body: Json) -> int:
    with connect(arguments) as client:
        told = client.request("POST", LINKS, body | {"open": False})
        if not arguments.json:
            for need in told["needs"]:
                complain(in_language(need))
        if arguments.browser:
            told["opened"] = client.request("POST", LINKS, body)["opened"]
    if arguments.json:
        say_json(told)
    elif not arguments.browser:
        say(told["link"])
    return Exit.OK


def _run(arguments: Namespace, path: str, read_body: Callable[[], Json]) -> int:
    def run() -> int:
        body = read_body() | given(hash=arguments.hash, cardNumber=arguments.card)
        _require_free(arguments.output)
        return report(lambda: _ask(arguments, path, body), as_json=arguments.json)

    return with_files(run)


def _require_free(output: str | None) -> None:
    _ = translator()
    if output is not None and Path(output).exists():
        raise WrongCallError(_("{path} exists already").format(path=output))


def _ask(arguments: Namespace, path: str, body: Json) -> int:
    with connect(arguments) as client:
        (made,) = client.request("POST", path, body).values()
    if arguments.json:
        say_json(made)
    return _write(arguments, base64.b64decode(made["content"]))


def _write(arguments: Namespace, content: bytes) -> int:
    _ = translator()
    if arguments.output is not None:
        with Path(arguments.output).open("xb") as file:
            file.write(content)
        if not arguments.json:
            say(_("Signed: {path}").format(path=arguments.output))
    elif not arguments.json:
        _print(content)
    return Exit.OK


def _print(content: bytes) -> None:
    """Byte for byte for a program; harmless for a terminal, since names come from cards and callers."""
    if sys.stdout.isatty():
        say(content.decode())
    else:
        sys.stdout.buffer.write(content + b"\n")


def _read_submission(arguments: Namespace) -> Json:
    hash_name = arguments.hash or Hash.SHA1
    named = [_read_name(each) for each in arguments.documents]
    return {
        "submissionSetId": arguments.set,
        "documents": [_read_document(oid, path, hash_name) for oid, path in named],
    }


def _read_name(text: str) -> tuple[str, Path]:
    _ = translator()
    oid, separator, name = text.partition("=")
    if not separator:
        raise WrongCallError(_("A document is given as OID=FILE, unlike {text}").format(text=text))
    return oid, Path(name)


def _read_document(oid: str, path: Path, hash_name: str) -> Json:
    """A document whole; an image that is too large to be sent by its hash."""
    kind = XML if path.suffix.lower() == ".xml" else BINARY
    if kind == BINARY and path.stat().st_size > MAX_SENT:
        with path.open("rb") as file:
            digest = to_base64(hashlib.file_digest(file, hash_name).digest())
        return {"id": oid, "name": path.name, "mediaType": kind, "digest": digest, "digestAlgorithm": str(hash_name)}
    return {"id": oid, "name": path.name, "mediaType": kind, "content": to_base64(path.read_bytes())}


def _read_vihf(arguments: Namespace) -> Json:
    structure = given(id=arguments.structure, sector=arguments.sector)
    return given(
        mode=arguments.mode,
        structure=structure or None,
        patient=None if arguments.ins is None else {"ins": tidy_ins(arguments.ins), "kind": arguments.ins_kind},
        accessReason=arguments.reason,
    )


def _read_members(arguments: Namespace) -> Json:
    """What the flags have no words for; of a VIHF the mode is direct unless said."""
    _ = translator()
    usual = {"mode": "direct"} if hasattr(arguments, "mode") else {}
    if arguments.members is None:
        return usual
    try:
        members = json.loads(Path(arguments.members).read_bytes())
    except ValueError as error:
        raise WrongCallError(_("{path} is not JSON").format(path=arguments.members)) from error
    if not isinstance(members, dict):
        raise WrongCallError(_("{path} is not JSON").format(path=arguments.members))
    return usual | members
