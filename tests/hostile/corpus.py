"""The index of the corpus, read and written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
FILES, INDEX, ROOT = FOLDER / "files", FOLDER / "index.tsv", FOLDER / "root.der"
HEADER = "file\tkind\tbeside\texpected\twhat it is\n"


@dataclass(frozen=True)
class Entry:
    """A file. `kind`: document, recipe (of a document), stamp or call.

    `beside`: the file that it signs, if that is another one. `expected`: `valid` (a control: the others differ from it
    by what they attack), `no-signature`, `unreadable`, reasons, or the code of a call; one of several by |.
    """

    name: str
    kind: str
    expected: str
    line: str
    beside: str = ""

    @property
    def outcomes(self) -> set[str]:
        return set(self.expected.split("|"))

    def read(self) -> bytes:
        content = (FILES / self.name).read_bytes()
        return cook(content) if self.kind == "recipe" else content

    def read_beside(self) -> bytes | None:
        return (FILES / self.beside).read_bytes() if self.beside else None


def cook(recipe: bytes) -> bytes:
    """A large document out of a small recipe: pieces of text, each as often as it says."""
    return b"".join(text.encode("latin-1") * times for text, times in json.loads(recipe))


def read_index() -> list[Entry]:
    rows = [line.split("\t") for line in INDEX.read_text("utf-8").splitlines()[1:]]
    return [Entry(name, kind, expected, line, beside) for name, kind, beside, expected, line in rows]


def write_index(entries: Iterable[Entry]) -> None:
    rows = [f"{each.name}\t{each.kind}\t{each.beside}\t{each.expected}\t{each.line}" for each in entries]
    INDEX.write_text(HEADER + "\n".join(rows) + "\n", "utf-8")
