"""Attributes of a SAML assertion (Core §2.7.3.1): strings, and coded values of HL7 version 3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from agent.signing.dmp.terms import Coded
from agent.signing.xml import Element
from agent.signing.xml_elements import add, add_scoped
from agent.signing.xml_names import XS, XSI, saml

HL7: Final = "urn:hl7-org:v3"
TYPE: Final = f"{{{XSI}}}type"
TYPES: Final[Mapping[str | None, str]] = {"xs": XS, "xsi": XSI}


class AttributeStatement:
    """An AttributeStatement as the last child of an assertion, to be filled in order."""

    def __init__(self, assertion: Element) -> None:
        self._element = add(assertion, saml("AttributeStatement"))
        self._namespaces = {prefix: uri for prefix, uri in TYPES.items() if prefix not in assertion.nsmap}

    def add_text(self, name: str, value: str | None) -> None:
        """A string; nothing where there is none."""
        if value is not None:
            attribute = add(self._element, saml("Attribute"), Name=name)
            add_scoped(attribute, saml("AttributeValue"), self._namespaces, value, **{TYPE: "xs:string"})

    def add_coded(self, name: str, tag: str, values: Iterable[Coded]) -> None:
        """One value for each code, within an element of HL7's of that name."""
        attribute = add(self._element, saml("Attribute"), Name=name)
        for coded in values:
            value = add(attribute, saml("AttributeValue"))
            add_scoped(value, f"{{{HL7}}}{tag}", {None: HL7}, **_members(coded))


def _members(coded: Coded) -> dict[str, str]:
    members = {
        "code": coded.code,
        "codeSystem": coded.code_system,
        "codeSystemName": coded.code_system_name,
        "displayName": coded.display_name,
        TYPE: "CE",
    }
    return {name: value for name, value in members.items() if value is not None}
