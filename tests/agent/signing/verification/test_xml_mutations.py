"""Signed XML taken apart and put together at random: whatever is still valid says the same as before."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree
from support.signing_keys import SigningKey

from agent.signing.documents import Document
from agent.signing.kinds import load_kind
from agent.signing.preparation import Outside, SignatureTerms
from agent.signing.verification.findings import UnreadableError
from agent.signing.verification.xml import read_signatures
from agent.signing.words import Format, Level, Packaging

XML = b'<r xmlns="urn:r" xmlns:u="urn:u" Id="r"><h a="1"><x>10</x><y u:b="2">text</y></h><t>20</t></r>'
DS = "http://www.w3.org/2000/09/xmldsig#"
NAMES = ("evil", f"{{{DS}}}Object", f"{{{DS}}}KeyInfo", "{http://uri.etsi.org/01903/v1.3.2#}QualifyingProperties")
ATTRIBUTES = ("Id", "ID", "id", "{urn:w}Id", "a", "Target", "URI", "Type", "Algorithm")
SHAPES = [(kind, packaging) for kind in (Format.XMLDSIG, Format.XADES) for packaging in list(Packaging)[1:]]
COUNT = 200
Element = Any


class Mutation:
    """Random changes of a tree; each method makes one."""

    def __init__(self, chance: random.Random, root: Element) -> None:
        self.chance = chance
        self.elements = list(root.iter(etree.Element))
        self.one, self.other = chance.choice(self.elements), chance.choice(self.elements)

    def remove(self) -> None:
        self.one.getparent().remove(self.one)

    def copy(self) -> None:
        self.other.append(copy.deepcopy(self.one))

    def move(self) -> None:
        self.other.append(self.one)

    def lengthen(self) -> None:
        self.one.text = (self.one.text or "") + "1"

    def write_behind(self) -> None:
        self.one.tail = (self.one.tail or "") + "99"

    def remark(self) -> None:
        remark = self.chance.choice([etree.Comment("c"), etree.ProcessingInstruction("p", "q")])
        self.one.insert(self.chance.randrange(len(self.one) + 1), remark)

    def set(self) -> None:
        self.one.set(self.chance.choice(ATTRIBUTES), self.chance.choice(["r", "x", self.other.get("Id") or "", "#r"]))

    def unset(self) -> None:
        del self.one.attrib[self.chance.choice(list(self.one.attrib))]

    def add(self) -> None:
        etree.SubElement(self.one, self.chance.choice(NAMES)).text = "99"

    def rename(self) -> None:
        self.one.tag = "{urn:q}evil"

    def wrap(self) -> None:
        parent = self.one.getparent()
        around = etree.Element("w")
        parent.insert(parent.index(self.one), around)
        around.append(self.one)


MUTATIONS: list[Callable[[Mutation], None]] = [
    Mutation.remove, Mutation.copy, Mutation.move, Mutation.lengthen, Mutation.write_behind, Mutation.remark,
    Mutation.set, Mutation.unset, Mutation.add, Mutation.rename, Mutation.wrap,
]  # fmt: skip


@pytest.mark.parametrize(("kind", "packaging"), SHAPES)
def test_what_is_still_valid_says_the_same(key: SigningKey, kind: Format, packaging: Packaging) -> None:
    terms = SignatureTerms(kind, Level.B, packaging)
    document = Document.of("a.xml", XML, "text/xml")
    (signed,) = key.complete_all(load_kind(str(kind)).prepare([document], terms, key.signer(), Outside()))
    chance = random.Random(7)
    for _ in range(COUNT):
        mutated = mutate(signed, chance)
        if is_valid(mutated):
            assert said(mutated) == said(signed), mutated


def mutate(signed: bytes, chance: random.Random) -> bytes:
    root = etree.fromstring(signed)
    for _ in range(chance.choice([1, 1, 2, 3])):
        try:
            chance.choice(MUTATIONS)(Mutation(chance, root))
        except (AttributeError, ValueError, IndexError):  # the root has no parent, an element no attributes
            continue
    return bytes(etree.tostring(root.getroottree()))


def is_valid(content: bytes) -> bool:
    try:
        return any(found.reason is None for found in read_signatures(content, None))
    except UnreadableError:
        return False


def said(content: bytes) -> bytes:
    """All of it but comments, empty Objects, and how parts of a signature are called."""
    root = etree.fromstring(content)
    for element in list(root.iter(f"{{{DS}}}SignatureValue", f"{{{DS}}}KeyInfo", f"{{{DS}}}Object")):
        element.attrib.pop("Id", None)
        if element.tag == f"{{{DS}}}Object" and not len(element) and not element.text:
            element.getparent().remove(element)
    for element in root.iter(f"{{{DS}}}Signature"):
        element.attrib.pop("Id", None)
    return bytes(etree.tostring(root.getroottree(), method="c14n", exclusive=True, with_comments=False))
