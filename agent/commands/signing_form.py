"""How a signature is to be, out of flags; and what its file is called."""

from __future__ import annotations

import hashlib
import mimetypes
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agent.commands.files import WrongCallError
from agent.people.translations import translator
from agent.sending import Json, SignOptions, given, to_base64
from agent.signing.words import RULES, Format, Packaging, Serialization

NAMES_KINDS: Final = frozenset({Format.XADES, Format.ASIC_E, Format.JWS, Format.JADES})
"""Formats that say of what kind a document is."""

_BESIDE: Final[Mapping[tuple[Format, Packaging], str]] = {
    (Format.RAW, Packaging.DETACHED): ".sig",
    (Format.CMS, Packaging.DETACHED): ".p7s",
    (Format.CMS, Packaging.ENVELOPING): ".p7m",
    (Format.CADES, Packaging.DETACHED): ".p7s",
    (Format.CADES, Packaging.ENVELOPING): ".p7m",
    (Format.ASIC_E, Packaging.ENVELOPING): ".asice",
}
_SERIALIZED: Final = {None: ".jws", str(Serialization.COMPACT): ".jws", str(Serialization.JSON): ".json"}


def read_form(arguments: Namespace) -> SignOptions:
    """The options of the call. Raises WrongCallError; OSError for the text of a policy."""
    return SignOptions(
        format=arguments.format,
        level=arguments.level,
        packaging=str(find_packaging(arguments)) if arguments.packaging else None,
        scheme=arguments.scheme,
        serialization=arguments.serialization,
        policy=_read_policy(arguments),
        claimed_role=arguments.role,
        reason=arguments.reason,
        location=arguments.location,
        field=arguments.field,
        appearance=_read_appearance(arguments.place or "") if arguments.visible or arguments.place else None,
    )


def find_packaging(arguments: Namespace) -> Packaging:
    """The packaging asked for, or the format's usual one. Raises WrongCallError."""
    _ = translator()
    possible = RULES[Format(arguments.format)].packagings
    if arguments.packaging is None:
        return possible[0]
    if arguments.packaging not in possible:
        words = ", ".join(possible)
        raise WrongCallError(_("{format} can be: {words}").format(format=arguments.format, words=words))
    return Packaging(arguments.packaging)


def _read_policy(arguments: Namespace) -> Json | None:
    _ = translator()
    if arguments.policy is None:
        if arguments.policy_uri is not None:
            raise WrongCallError(_("--policy-uri needs --policy"))
        return None
    identifier, path = arguments.policy
    digest = hashlib.sha256(Path(path).read_bytes()).digest()
    return given(identifier=identifier, digest=to_base64(digest), uri=arguments.policy_uri)


def _read_appearance(text: str) -> Json:
    """Page, corner and size, as many as there are; the rest is the agent's to choose. Raises WrongCallError."""
    _ = translator()
    parts = [part.strip() for part in text.split(",")] if text else []
    names = ("page", "x", "y", "width", "height")
    try:
        values = [_read_number(name, part) for name, part in zip(names, parts, strict=False)]
    except ValueError:
        values = []
    if len(values) != len(parts):
        raise WrongCallError(_("--place takes PAGE,X,Y,W,H: numbers, such as 1,36,36,220,70, or last,36,36"))
    return dict(zip(names, values, strict=False))


def _read_number(name: str, text: str) -> float:
    """A length, or the number of a page. Raises ValueError."""
    if name != "page":
        return float(text)
    return -1 if text == "last" else int(text)


def name_result(arguments: Namespace, path: Path) -> str:
    """What the signature of a file is called, without its folder; never as the file itself."""
    chosen, packaging = Format(arguments.format), find_packaging(arguments)
    if packaging is Packaging.ENVELOPED:
        return f"{path.stem}-signed{path.suffix}"
    if chosen in (Format.JWS, Format.JADES):
        return path.name + _SERIALIZED[arguments.serialization]
    return path.name + _BESIDE.get((chosen, packaging), ".xml")


def guess_kind(arguments: Namespace, path: Path) -> str | None:
    """The media type that a name stands for, the same on every system; None where the format has no place for it."""
    if Format(arguments.format) not in NAMES_KINDS:
        return None
    return mimetypes.MimeTypes().guess_type(path.name)[0]
