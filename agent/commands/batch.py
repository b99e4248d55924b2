"""`cps-agent batch`: many files with one code, on after a pulled card, each signature in a file of its own."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.client import Client, Json
from agent.commands.calling import connect
from agent.commands.exits import BY_LAYER, Exit
from agent.commands.files import WrongCallError, with_files
from agent.commands.output import complain, in_language, report, say, say_json
from agent.commands.signing import hash_file, plan_targets, write_result
from agent.commands.signing_form import guess_kind, read_form
from agent.people.translations import translator
from agent.sending import Sha256, ToSign

MOST: Final = 1000
LOOK_S: Final = 0.2
GONE_S: Final = 1.0
"""At least so long between two tries without the card: another one may be in the reader."""
FRUITLESS: Final = 3
"""So many runs that signed nothing end it, whatever is at fault."""
CARD_GONE: Final = frozenset({"card-removed", "card-absent", "reader-removed", "reader-absent", "service-stopped"})
AGAIN: Final = CARD_GONE | {"pin-wrong", "card-busy", "signing-failed"}
RUNS: Final = frozenset({"asking", "running"})
ENDS: Final = frozenset({"done", "paused"})


@dataclass
class BatchFiles:
    """The files of a batch, where their signatures go, and what became of them."""

    paths: Sequence[Path]
    targets: Sequence[Path]
    documents: Sequence[ToSign]
    replace: bool
    written: list[Path] = field(default_factory=list)
    failed: list[tuple[str, Json]] = field(default_factory=list)


def run_batch(arguments: Namespace) -> int:
    """`cps-agent batch FILE…`."""

    def run() -> int:
        files, options = _read_files(arguments), read_form(arguments).to_json()
        return report(lambda: _run(arguments, files, options), as_json=arguments.json)

    return with_files(run)


def _read_files(arguments: Namespace) -> BatchFiles:
    """What is to be signed, hashed. Raises WrongCallError, OSError."""
    _ = translator()
    paths = list(_list_paths(arguments))
    if not 0 < len(paths) <= MOST:
        raise WrongCallError(_("A batch has 1 to {most} files; here are {count}.").format(most=MOST, count=len(paths)))
    if arguments.output is not None and len(paths) > 1:
        Path(arguments.output).mkdir(parents=True, exist_ok=True)
    targets = plan_targets(arguments, paths, apart=True)
    documents = [ToSign(path.name, Sha256(hash_file(path)), guess_kind(arguments, path)) for path in paths]
    return BatchFiles(paths, targets, documents, arguments.force)


def _list_paths(arguments: Namespace) -> Iterator[Path]:
    """The files that are named, those of a list, and those in a folder, by name, hidden ones apart."""
    yield from map(Path, arguments.files)
    if arguments.manifest is not None:
        base = Path(arguments.manifest)
        yield from (base.parent / line for line in base.read_text(encoding="utf-8").splitlines() if line.strip())
    if arguments.from_dir is not None:
        folder = sorted(Path(arguments.from_dir).iterdir())
        yield from (path for path in folder if path.is_file() and not path.name.startswith("."))


def _run(arguments: Namespace, files: BatchFiles, options: Json) -> int:
    with connect(arguments) as client:
        batch = client.make_batch(files.documents, options, arguments.card)
        with _kept(client, batch["id"], files):
            _send_contents(client, batch["id"], files, digests_only=arguments.digest_only)
            last = _sign(client, batch["id"])
    return _tell(arguments, files, last)


@contextmanager
def _kept(client: Client, batch_id: str, files: BatchFiles) -> Iterator[None]:
    """Whatever ends the block, also Ctrl-C: what is signed is written, and the agent forgets the batch."""
    try:
        yield
    finally:
        client.close()  # Ctrl-C may have come between a request and its answer
        _stop(client, batch_id)
        _take(client, batch_id, files)
        client.cancel_batch(batch_id)


def _stop(client: Client, batch_id: str) -> None:
    """Wait until it stands still: what runs hands nothing out."""
    batch = client.stop_batch(batch_id)
    while batch["state"] in RUNS:
        time.sleep(LOOK_S)
        batch = client.batch(batch_id)


def _send_contents(client: Client, batch_id: str, files: BatchFiles, *, digests_only: bool) -> None:
    """The contents that signatures hold, and the others, so that the agent has seen them, unless that is not wanted."""
    for place, document in enumerate(client.batch(batch_id)["documents"]):
        if document["needsContent"] or not digests_only:
            client.add_to_batch(batch_id, place, files.paths[place])


def _sign(client: Client, batch_id: str) -> Json:
    """Start it, again and again as long as that helps. Gives how it ended."""
    fruitless, left = 0, -1
    while True:
        client.start_batch(batch_id)
        batch = _watch(client, batch_id)
        code = (batch["problem"] or {}).get("code")
        if batch["state"] == "done" or code not in AGAIN:
            return batch
        complain(f"{in_language(batch['problem'])} [{code}]")
        if code in CARD_GONE:
            _wait_for_card(client)
            continue
        fruitless, left = (fruitless + 1 if batch["left"] == left else 0), batch["left"]
        if fruitless >= FRUITLESS:
            return batch


def _watch(client: Client, batch_id: str) -> Json:
    """Show how far it is until it stops."""
    while True:
        batch = next(each for each in client.batches() if each["id"] == batch_id)
        _show(batch)
        if batch["state"] in ENDS:
            return batch
        time.sleep(LOOK_S)


def _show(batch: Json) -> None:
    """One line that is written over, where somebody looks."""
    if sys.stderr.isatty():
        end = "\n" if batch["state"] in ENDS else ""
        sys.stderr.write(f"\r{batch['signed'] + batch['failed']}/{batch['count']}{end}")
        sys.stderr.flush()


def _wait_for_card(client: Client) -> None:
    _ = translator()
    complain(_("The batch goes on when the card is back; Ctrl-C ends it, and what is signed is kept."))
    time.sleep(GONE_S)
    while all(reader["state"] != "ready" for reader in client.status().get("readers", [])):
        time.sleep(LOOK_S)


def _take(client: Client, batch_id: str, files: BatchFiles) -> None:
    """Write the signatures that there are, and note what failed."""
    for place, document in enumerate(client.batch(batch_id)["documents"]):
        if document["state"] == "signed":
            write_result(files.targets[place], client.batch_signature(batch_id, place).content, replace=files.replace)
            files.written.append(files.targets[place])
        elif document["problem"] is not None:
            files.failed.append((document["name"], document["problem"]))


def _tell(arguments: Namespace, files: BatchFiles, last: Json) -> int:
    _ = translator()
    if arguments.json:
        failed = [{"name": name, "problem": problem} for name, problem in files.failed]
        written = [str(path) for path in files.written]
        say_json({"signatures": written, "failed": failed, "left": last["left"], "problem": last["problem"]})
    else:
        say(_("Signed: {signed} of {count}").format(signed=last["signed"], count=last["count"]))
    for name, problem in files.failed:
        complain(f"{name}: {in_language(problem)} [{problem['code']}] {problem.get('hint', '')}".rstrip())
    if last["problem"] is not None:
        complain(f"{in_language(last['problem'])} [{last['problem']['code']}]")
        return BY_LAYER.get(str(last["problem"]["layer"]), Exit.FAILED)
    return Exit.SIGNING if files.failed else Exit.OK
