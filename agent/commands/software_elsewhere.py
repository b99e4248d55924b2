"""`cps-agent software elsewhere`: certificates whose keys other programs and the system keep; nothing is taken out."""

from __future__ import annotations

from argparse import Namespace
from gettext import NullTranslations
from typing import TYPE_CHECKING

from agent.client import Json
from agent.commands.exits import Exit
from agent.commands.output import say, say_json
from agent.people.keeping_words import name_role
from agent.people.translations import load_words, write_date
from drivers.software.certificates import read_key_certificate
from drivers.software.system_stores import StoreKind, list_found, list_stores

if TYPE_CHECKING:
    from drivers.software.system_stores import FoundCertificate


def run_elsewhere(arguments: Namespace) -> int:
    """Look into the stores that this system has; no agent is needed."""
    found = list_found(list_stores())
    if arguments.json:
        say_json({"certificates": [_describe(one) for one in found]})
        return Exit.OK
    words = load_words()
    for one in found:
        _show(one, words)
    _ = words.gettext
    if found:
        say(_("These keys stay where they are. Export one there as PKCS#12, then: cps-agent software import FILE.p12"))
    else:
        say(_("No certificate of this kind was found in the stores that can be looked into."))
    return Exit.OK


def _show(one: FoundCertificate, words: NullTranslations) -> None:
    _ = words.gettext
    certificate = read_key_certificate(one.certificate_der)
    say(f"{name_role(certificate.role, words)}: {certificate.label}")
    say("  " + _("Valid until {date}").format(date=write_date(certificate.parsed.not_after, words)))
    say("  " + _store_words(one.kind, words).format(place=one.place))
    if one.has_key is None:
        say("  " + _("This store does not tell whether it has the key."))


def _store_words(kind: StoreKind, words: NullTranslations) -> str:
    _ = words.gettext
    return {
        StoreKind.WINDOWS: _("Kept by Windows (certmgr.msc)"),
        StoreKind.KEYCHAIN: _("Kept by macOS (Keychain Access)"),
        StoreKind.NSS: _("Kept by Firefox, Thunderbird or Chromium: {place}"),
    }[kind]


def _describe(one: FoundCertificate) -> Json:
    certificate = read_key_certificate(one.certificate_der)
    return {
        "store": one.kind.value,
        "place": one.place,
        "role": certificate.role,
        "label": certificate.label,
        "notAfter": certificate.parsed.not_after.isoformat(),
        "hasKey": one.has_key,
    }
