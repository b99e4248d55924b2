"""XML elements, written one by one: text can never become markup."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Final

from lxml import etree

from agent.signing.errors import TermsRefusedError
from agent.signing.xml import Element

_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def is_xml_text(text: str) -> bool:
    """Whether XML 1.0 can hold every character (§2.2)."""
    return _NO_XML.search(text) is None


def new_root(tag: str, namespaces: Mapping[str | None, str], **attributes: str) -> Element:
    """An element that has no parent yet; `tag` in Clark's notation."""
    return _fill(etree.Element(tag, nsmap=dict(namespaces)), None, attributes)


def add(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    """An element as the last child. Raises TermsRefusedError for text that XML cannot hold."""
    return _fill(etree.SubElement(parent, tag), text, attributes)


def add_scoped(
    parent: Element, tag: str, namespaces: Mapping[str | None, str], text: str | None = None, **attributes: str
) -> Element:
    """The same with namespaces declared there; `{None: ""}` takes the default one away."""
    return _fill(etree.SubElement(parent, tag, nsmap=dict(namespaces)), text, attributes)


def _fill(element: Element, text: str | None, attributes: Mapping[str, str]) -> Element:
    for value in (text or "", *attributes.values()):
        if not is_xml_text(value):
            raise TermsRefusedError(f"XML cannot hold {value[:50]!r}")
    element.text = text
    for name, value in attributes.items():
        element.set(name, value)
    return element


def base64_text(content: bytes) -> str:
    """Base64 on one line."""
    return base64.b64encode(content).decode("ascii")


def write(root: Element) -> bytes:
    """UTF-8 without a declaration, so that it can stand in another document as it is."""
    content: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=False)
    return content
