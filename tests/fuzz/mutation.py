"""Changes to data objects that keep the lengths around them right: what a change of bytes alone hardly ever does."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

TAGS = (0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x14, 0x17, 0x18, 0x1C, 0x1E, 0x30, 0x31, 0x80, 0xA0, 0xA1, 0xA3)
DEPTH = 12


@dataclass
class Node:
    """An object: its tag byte, and what is in it, bytes or objects."""

    tag: int
    content: bytes | list[Node]

    def dump(self) -> bytes:
        content = self.content if isinstance(self.content, bytes) else b"".join(node.dump() for node in self.content)
        size = len(content)
        if size < 0x80:
            return bytes([self.tag, size]) + content
        length = size.to_bytes((size.bit_length() + 7) // 8)
        return bytes([self.tag, 0x80 | len(length)]) + length + content


def parse(data: bytes, depth: int = 0) -> list[Node] | None:
    """The objects that these bytes are, with one-byte tags; None when they are anything else."""
    nodes, offset = [], 0
    while offset < len(data):
        if offset + 2 > len(data):
            return None
        tag, length, start = data[offset], data[offset + 1], offset + 2
        if length > 0x80:
            count = length & 0x7F
            length, start = int.from_bytes(data[start : start + count]), start + count
        if start + length > len(data):
            return None
        content = data[start : start + length]
        inner = parse(content, depth + 1) if tag & 0x20 and depth < DEPTH else None
        nodes.append(Node(tag, content if inner is None else inner))
        offset = start + length
    return nodes


def mutate(data: bytes, random_: random.Random, change_bytes: Callable[[bytes], bytes]) -> bytes:
    """One change to one object anywhere within; `change_bytes` changes contents that are bytes."""
    roots = parse(data)
    if not roots:
        return change_bytes(data)
    lists = [roots]
    for each in lists:
        lists.extend(node.content for node in each if isinstance(node.content, list))
    filled = [each for each in lists if each]
    siblings = random_.choice(filled)
    index = random_.randrange(len(siblings))
    _change(siblings, index, random_, change_bytes, random_.choice(random_.choice(filled)))
    return b"".join(node.dump() for node in roots)


def _change(
    siblings: list[Node], index: int, random_: random.Random, change_bytes: Callable[[bytes], bytes], other: Node
) -> None:
    match random_.randrange(7):
        case 0:
            del siblings[index]
        case 1:
            siblings.insert(index, siblings[index])
        case 2:
            siblings[index].tag = random_.choice(TAGS)
        case 3:
            siblings.insert(random_.randrange(len(siblings)), Node(other.tag, other.dump()[2:]))
        case 4:
            random_.shuffle(siblings)
        case _:
            node = siblings[index]
            node.content = change_bytes(node.content if isinstance(node.content, bytes) else node.dump())
