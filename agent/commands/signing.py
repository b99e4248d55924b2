"""`cps-agent sign`: files, in any format; each signature beside its document, and no document is ever overwritten."""

from __future__ import annotations

import hashlib
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from agent.commands.calling import connect
from agent.commands.exits import Exit
from agent.commands.files import WrongCallError, with_files
from agent.commands.output import report, say, say_json
from agent.commands.signing_form import find_packaging, guess_kind, name_result, read_form
from agent.people.translations import translator
from agent.sending import MAX_DOCUMENTS, MAX_UPLOAD, Sha256, SignOptions, ToSign
from agent.signing.words import RULES, Format, Packaging


def run_sign(arguments: Namespace) -> int:
    """`cps-agent sign FILE…`."""

    def run() -> int:
        paths = [Path(name) for name in arguments.files]
        targets = plan_targets(arguments, paths)
        options, documents = read_form(arguments), read_documents(arguments, paths)
        return report(lambda: _sign(arguments, documents, options, targets), as_json=arguments.json)

    return with_files(run)


def _sign(arguments: Namespace, documents: Sequence[ToSign], options: SignOptions, targets: Sequence[Path]) -> int:
    _ = translator()
    with connect(arguments) as client:
        signatures = client.sign(documents, options, arguments.card)
    for target, signature in zip(targets, signatures, strict=True):
        write_result(target, signature.content, replace=arguments.force)
    if arguments.json:
        say_json({"signatures": [str(target) for target in targets]})
    else:
        for target in targets:
            say(_("Signed: {path}").format(path=target))
    return Exit.OK


def plan_targets(arguments: Namespace, paths: Sequence[Path], *, apart: bool = False) -> list[Path]:
    """Where each signature goes: one place for each file; unless `apart`, a single one where the format joins them.

    Raises WrongCallError for a place that is taken, or that two signatures would share.
    """
    _ = translator()
    if len(paths) > MAX_DOCUMENTS:
        words = _("sign takes {count} files at most; cps-agent batch takes up to 1,000")
        raise WrongCallError(words.format(count=MAX_DOCUMENTS))
    signed = paths[:1] if RULES[Format(arguments.format)].joins and not apart else paths
    targets = _place(arguments, signed)
    kept = {path.resolve() for path in paths}
    for target in targets:
        if target.resolve() in kept:
            raise WrongCallError(_("{path} is a document to be signed, and is not overwritten").format(path=target))
        if target.exists() and not arguments.force:
            raise WrongCallError(_("{path} exists already; --force replaces it").format(path=target))
    if len({target.resolve() for target in targets}) != len(targets):
        raise WrongCallError(_("Several of these files would have the same signature file."))
    return targets


def _place(arguments: Namespace, paths: Sequence[Path]) -> list[Path]:
    """Beside each document, in a folder, or in the one file that is named."""
    _ = translator()
    if arguments.output is None:
        return [path.with_name(name_result(arguments, path)) for path in paths]
    output = Path(arguments.output)
    if output.is_dir():
        return [output / name_result(arguments, path) for path in paths]
    if len(paths) > 1:
        raise WrongCallError(_("{path} is no folder; several signatures need one").format(path=output))
    return [output]


def read_documents(arguments: Namespace, paths: Sequence[Path]) -> list[ToSign]:
    """The files themselves; their hashes where that was asked for, or where they are too large to be sent.

    Raises WrongCallError where the format cannot do with hashes; OSError.
    """
    _ = translator()
    chosen = Format(arguments.format)
    by_hash = arguments.digest_only or chosen is Format.RAW or sum(path.stat().st_size for path in paths) > MAX_UPLOAD
    if by_hash and not (RULES[chosen].takes_digests and find_packaging(arguments) is Packaging.DETACHED):
        raise WrongCallError(_("{format} needs the whole document here, not a hash").format(format=chosen))
    return [
        ToSign(path.name, Sha256(hash_file(path)) if by_hash else path, guess_kind(arguments, path)) for path in paths
    ]


def hash_file(path: Path) -> bytes:
    """SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def write_result(target: Path, content: bytes, *, replace: bool) -> None:
    """Put a signature where it goes. Raises OSError."""
    with target.open("wb" if replace else "xb") as file:
        file.write(content)
