"""A question in words: one page of plain text, shown alike by the window and by the terminal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a page: what it is about, the text, and the items of a list when there are some.

    `details` stand beside the items, in the same order: what an item is called cannot pass for its detail.
    """

    label: str
    text: str
    items: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """Each item with its detail, empty where there is none."""
        details = self.details + ("",) * len(self.items)
        return tuple(zip(self.items, details, strict=False))


Section = tuple[Fact, ...]
"""Facts that belong together: who asks, what for, with which card."""


@dataclass(frozen=True, slots=True)
class CodeField:
    """A code to type, and the number of digits it takes, or of characters for a passphrase.

    `advice`: what to mind when a new one is chosen.
    """

    label: str
    min_length: int
    max_length: int
    passphrase: bool = False
    advice: str = ""

    def accepts(self, code: bytes | bytearray) -> bool:
        """Tell whether this is a code of this field: digits, or UTF-8."""
        length = sum(byte & 0xC0 != 0x80 for byte in code) if self.passphrase else len(code)
        return (self.passphrase or code.isdigit()) and self.min_length <= length <= self.max_length


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing of several to choose from: what it is, and what tells it from the others."""

    text: str
    detail: str


@dataclass(frozen=True, slots=True)
class Page:
    """A whole question. With three fields, the last two hold the same new code. `accept` is None for a notice.

    `advice`: a sentence that stands after the facts. `last_try`: what has to be ticked before agreeing.
    """

    title: str
    heading: str
    refuse: str
    sections: tuple[Section, ...] = ()
    accept: str | None = None
    mark: str | None = None
    advice: str | None = None
    choices: tuple[Choice, ...] = ()
    fields: tuple[CodeField, ...] = ()
    tries: str | None = None
    last_try: str | None = None
    session: str | None = None

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The facts of all sections, in order."""
        return tuple(fact for section in self.sections for fact in section)
