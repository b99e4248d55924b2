"""The pages about the card: who it is about, its code, its certificates."""

from __future__ import annotations

import re
from gettext import NullTranslations

from agent.client import Client, Json
from agent.people.certificate_words import revocation_words, state_words
from agent.people.identity_words import person_id_words, structure_words
from agent.people.panel.sections import Context, Line, Section, coded, moment_words, only_told, shown
from agent.people.panel.situations import situation_buttons, situation_lines
from agent.people.panel.software_pages import software_sections


def card_page(client: Client, context: Context) -> tuple[Section, ...]:
    """One section for each card."""
    cards = client.cards()
    if not cards:
        return (Section(context.words.gettext("No card is in a reader."), _readers(client, context.words)),)
    return tuple(card_section(card, context.words) for card in cards)


def card_section(card: Json, words: NullTranslations) -> Section:
    """Identity, code, expiry; a card that names nobody names its structure."""
    holder = card.get("holder") or {}
    structure = holder.get("structure") or {}
    return Section(
        title=_holder_name(holder) or shown(structure.get("name")) or words.gettext("Card that names nobody"),
        mark=words.gettext("TEST CARD") if card.get("test") else None,
        lines=only_told(
            (words.gettext("Card"), f"{shown(card.get('kind'), 20)} {shown(card.get('number'), 40)}"),
            (words.gettext("Profession"), coded(holder.get("profession"))),
            (words.gettext("Future profession"), coded(holder.get("futureProfession"))),
            (words.gettext("Speciality"), coded(holder.get("speciality"))),
            (words.gettext("RPPS number"), shown(holder.get("rpps"))),
            (words.gettext("National identifier"), person_id_words(holder, words)),
            (words.gettext("Structure"), structure_words(structure, words)),
            (words.gettext("Category"), coded(holder.get("category"))),
            (words.gettext("Number in the certificates"), shown(card.get("tokenId"), 40)),
            (words.gettext("Code"), pin_words(card.get("pin"), words)),
            (words.gettext("Valid until"), moment_words(card.get("expiresAt"), words)),
            (words.gettext("Reader"), shown(card.get("reader"))),
            (words.gettext("Generation"), shown(card.get("generation"), 40)),
        )
        + situation_lines(card, words),
        buttons=situation_buttons(card, words),
    )


def _holder_name(holder: Json) -> str:
    return shown(" ".join(filter(None, (holder.get("title"), holder.get("givenName"), holder.get("familyName")))))


def pin_words(pin: Json | None, words: NullTranslations) -> str:
    """The state of the code, and the tries left."""
    if pin is None:
        return words.gettext("not known just now")
    if pin.get("state") == "blocked":
        return words.gettext("blocked: unblock it in the menu of the icon")
    left = pin.get("triesLeft")
    kept = words.gettext("kept for a while") if pin.get("state") == "session" else ""
    tries = words.ngettext("%d try left", "%d tries left", left) % left if isinstance(left, int) else ""
    return ", ".join(filter(None, (tries, kept))) or words.gettext("the card does not tell how many tries are left")


def _readers(client: Client, words: NullTranslations) -> tuple[Line, ...]:
    names = [shown(reader.get("name")) for reader in client.status().get("readers", ())]
    return tuple(Line(words.gettext("Reader"), name) for name in names)


def certificates_page(client: Client, context: Context) -> tuple[Section, ...]:
    """One section for each certificate of each card, and for what is kept here."""
    found = [one for one in client.certificates() if one.get("source") != "software"]
    nothing = (Section(context.words.gettext("No certificate: no card is in a reader.")),)
    on_cards = tuple(certificate_section(one, context.words) for one in found) or nothing
    return (*on_cards, *software_sections(client, context))


def certificate_section(certificate: Json, words: NullTranslations) -> Section:
    """What it is for, whose, by whom, until when, and whether it leads to a known root."""
    known = certificate.get("chain") is not None
    period = words.gettext("from {start} to {end}").format(
        start=moment_words(certificate.get("notBefore"), words), end=moment_words(certificate.get("notAfter"), words)
    )
    return Section(
        title=_role_words(str(certificate.get("role")), words),
        lines=only_told(
            (words.gettext("Card"), shown(certificate.get("cardNumber"), 40)),
            (words.gettext("State"), state_words(str(certificate.get("state")), words)),
            (words.gettext("Revocation"), revocation_words(certificate, words)),
            (words.gettext("Valid"), period),
            (words.gettext("In the name of"), _name_part(certificate.get("subject"))),
            (words.gettext("Issued by"), _name_part(certificate.get("issuer"))),
            (
                words.gettext("Authority"),
                words.gettext("leads to a known root") if known else words.gettext("leads to no root known here"),
            ),
            (words.gettext("Serial number"), shown(certificate.get("serialNumber"), 60)),
        ),
    )


def _role_words(role: str, words: NullTranslations) -> str:
    return {
        "authentication": words.gettext("Certificate to log in"),
        "signature": words.gettext("Certificate to sign"),
        "technical": words.gettext("Technical certificate, without a code"),
    }.get(role, shown(role, 40))


def _name_part(name: object) -> str:
    """The names of a distinguished name (RFC 4514): given name, surname and common name."""
    text = str(name or "")
    parts = dict(re.findall(r"(?:^|[,+])(CN|SN|GN)=((?:[^,+\\]|\\.)*)", text))
    found = " ".join(parts[key] for key in ("GN", "SN", "CN") if key in parts)
    return shown(re.sub(r"\\(.)", r"\1", found) or text)
