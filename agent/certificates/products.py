"""What can be ordered from IGC-Santé for an organisation: its ranges and offers, out of a file of data."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from drivers.software.roles import Role

FILE: Final = Path(__file__).with_name("products.toml")
LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
HOST: Final = re.compile(rf"(?=.{{1,253}}\Z)(?:{LABEL}\.)+(?=[a-zA-Z]){LABEL}")
MAIL: Final = re.compile(r"[!#-'*+\-./0-9=?A-Z^-~]{1,64}@" + HOST.pattern)
"""ASCII alone, as rfc822Name has it (RFC 5280 §4.2.1.6)."""
FREE: Final = re.compile(r".+", re.DOTALL)
NAME_RULES: Final = {"free": FREE, "host": HOST, "mail": MAIL}


@dataclass(frozen=True, slots=True)
class Product:
    """A range with an offer. `name`: what its CN is (free, host, mail), or one of `names` where there are some.

    `usage` and `purposes` in the words of RFC 5280; `checked` False: not all of it stands in a public source.
    """

    id: str
    range: str
    family: str
    role: Role
    labels: Mapping[str, str]
    usage: tuple[str, ...]
    purposes: tuple[str, ...]
    name: str
    names: tuple[str, ...]
    checked: bool

    def label(self, language: str) -> str:
        """Its name for people, in French for every language but English."""
        return self.labels["en" if language == "en" else "fr"]

    def takes_name(self, common_name: str) -> bool:
        """Whether the certificate may have this CN."""
        if self.names:
            return common_name in self.names
        return NAME_RULES[self.name].fullmatch(common_name) is not None


@functools.cache
def list_products() -> tuple[Product, ...]:
    """All of them, in the order of the file: by offer, then by range."""
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return tuple(
        _product(offer, each)
        for offer in tables["offer"]
        for each in tables["range"]
        if each["id"] in offer.get("ranges", [each["id"]])
    )


def find_product(product: str) -> Product | None:
    """The product of that id, or None."""
    return next((each for each in list_products() if each.id == product), None)


def find_renewed(issuer: str, role: Role, common_name: str) -> Product | None:
    """The product that a certificate was, by the name of its authority, its role and its CN, or None.

    SIGN and CONF exist for software and for servers, which a certificate does not tell: software's come first.
    """
    ranges = {each["id"]: each["issuer"] for each in tomllib.loads(FILE.read_text(encoding="utf-8"))["range"]}
    words = issuer.upper().split()
    fitting = [each for each in list_products() if each.role is role and ranges[each.range] in words]
    special = (each for each in fitting if common_name in each.names)
    return next(special, next((each for each in fitting if not each.names), None))


def _product(offer: dict[str, Any], its_range: dict[str, Any]) -> Product:
    return Product(
        id=f"{its_range['id']}-{offer['id']}",
        range=its_range["id"],
        family=offer["family"],
        role=Role(offer["role"]),
        labels={language: f"{offer[language]} — {its_range[language]}" for language in ("fr", "en")},
        usage=tuple(offer["usage"]),
        purposes=tuple(offer["purposes"]),
        name=offer.get("name", "free"),
        names=tuple(offer.get("names", ())),
        checked=offer.get("checked", True) and its_range.get("checked", True),
    )
