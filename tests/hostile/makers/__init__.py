"""What makes the files, one module for each family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from support.signing_keys import SigningKey

from agent.signing.documents import Document
from agent.signing.kinds import load_kind
from agent.signing.preparation import Outside, SignatureTerms
from agent.signing.words import RULES, Format, Level, Packaging


@dataclass(frozen=True)
class Made:
    """A file to be kept; see `corpus.Entry`."""

    name: str
    content: bytes
    expected: str
    line: str
    kind: str = "document"
    beside: str = ""


Making = Iterator[Made]


def sign(key: SigningKey, kind: Format, content: bytes, packaging: Packaging | None = None, **options: object) -> bytes:
    """As the agent does."""
    terms = SignatureTerms(kind, Level.B, packaging or RULES[kind].packagings[0], **options)
    prepared = load_kind(str(kind)).prepare([Document.of("a.txt", content)], terms, key.signer(), Outside())
    (signature,) = key.complete_all(prepared)
    return signature


def truncated(name: str, content: bytes, expected: str = "refused") -> Making:
    for part in (1, 2, 3):
        yield Made(f"{name}-cut{part}", content[: len(content) * part // 4], expected, f"{name}, cut after {part}/4")


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
