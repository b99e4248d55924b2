"""The pages that help: what works and what does not, and where settings come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from gettext import NullTranslations
from pathlib import Path

from agent.client import AgentUnreachableError, Client, Json
from agent.people.certificate_words import refused_authority_words, state_words
from agent.people.panel.card_pages import pin_words
from agent.people.panel.sections import Button, Context, Deed, Line, Section, shown
from agent.people.tls_words import tls_trouble_words
from agent.settings import Settings, policy_file, user_file

GOOD, BAD, UNKNOWN = "✓", "✗", "\N{EN DASH}"


def diagnosis_page(client: Client, context: Context) -> tuple[Section, ...]:
    """Layer by layer, from the agent up to the certificates; what stands on a broken layer is not judged."""
    words = context.words
    status = client.status()
    running = words.gettext("runs, version {version}, port {port}").format(
        version=shown(status.get("version"), 40), port=client.port
    )
    lines = [_line(words.gettext("Agent"), GOOD, running)]
    if status.get("service") == "stopped":
        lines.append(_line(words.gettext("Smart card service"), BAD, _service_words(words)))
        lines += _not_judged(words, words.gettext("Readers"), words.gettext("Card"), words.gettext("Certificates"))
    else:
        lines.append(_line(words.gettext("Smart card service"), GOOD, words.gettext("runs")))
        lines += _reader_lines(status.get("readers") or (), context)
        lines += _card_lines(client, words)
    lines += [
        _line(words.gettext("Authority"), BAD, refused_authority_words(name, words))
        for name in status.get("refusedAuthorities") or ()
    ]
    if (trouble := tls_trouble_words(status.get("tls"), words)) is not None:
        lines.append(_line(words.gettext("Health services"), BAD, shown(trouble)))
    return (Section(words.gettext("What works, layer by layer"), tuple(lines)),)


def unreachable_page(error: AgentUnreachableError, context: Context) -> tuple[Section, ...]:
    """The same page when there is no agent to ask."""
    words = context.words
    text = words.gettext("does not answer. Start it by the menu of its icon, or by: cps-agent serve")
    lines = (
        _line(words.gettext("Agent"), BAD, text),
        Line("", shown(error)),
        *_not_judged(
            words,
            words.gettext("Smart card service"),
            words.gettext("Readers"),
            words.gettext("Card"),
            words.gettext("Certificates"),
        ),
    )
    return (Section(words.gettext("What works, layer by layer"), lines),)


def _line(layer: str, sign: str, text: str) -> Line:
    return Line(layer, f"{sign} {text}")


def _service_words(words: NullTranslations) -> str:
    return words.gettext("is not running. Start it (Linux: pcscd), then look again.")


def _not_judged(words: NullTranslations, *layers: str) -> Iterator[Line]:
    for layer in layers:
        yield _line(layer, UNKNOWN, words.gettext("not looked at: what is above does not work"))


def _reader_lines(readers: Sequence[Json], context: Context) -> Iterator[Line]:
    words = context.words
    if not readers:
        yield _line(words.gettext("Reader"), BAD, words.gettext("none is connected. Plug one in."))
    for reader in readers:
        trouble = reader.get("trouble")
        if trouble:
            sentence = trouble.get("detailFr" if context.language == "fr" else "detail")
            text = words.gettext("{name}: {text}").format(name=shown(reader.get("name")), text=shown(sentence, 400))
            yield _line(words.gettext("Reader"), BAD, text)
        else:
            yield _line(words.gettext("Reader"), GOOD, shown(reader.get("name")))


def _card_lines(client: Client, words: NullTranslations) -> Iterator[Line]:
    cards = client.cards()
    if not cards:
        yield _line(words.gettext("Card"), BAD, words.gettext("none that can be used is in a reader."))
        yield from _not_judged(words, words.gettext("Certificates"))
        return
    for card in cards:
        pin = card.get("pin") or {}
        yield _line(words.gettext("Card"), GOOD, f"{shown(card.get('kind'), 20)} {shown(card.get('number'), 40)}")
        sign = UNKNOWN if card.get("pin") is None else BAD if pin.get("state") == "blocked" else GOOD
        yield _line(words.gettext("Code"), sign, pin_words(card.get("pin"), words))
    for certificate in client.certificates():
        state, known = str(certificate.get("state")), certificate.get("chain") is not None
        label = shown(certificate.get("label"), 60)
        text = words.gettext("{name}: {text}").format(name=label, text=state_words(state, words))
        if not known:
            text += ", " + words.gettext("leads to no root known here")
        sign = {"valid": GOOD, "expiring": GOOD, "unknown": UNKNOWN}.get(state, BAD)
        yield _line(words.gettext("Certificate"), sign if known else BAD, text)


def settings_page(context: Context) -> tuple[Section, ...]:
    """The settings in force, and the files that decide them; they are changed there, not here."""
    words, settings = context.words, context.settings
    files = (
        (words.gettext("Your settings"), user_file()),
        (words.gettext("Policy of this workstation"), policy_file()),
        (words.gettext("Data of the agent"), settings.data_dir),
    )
    return (
        Section(words.gettext("Settings in force"), tuple(_setting_lines(settings))),
        *(_file_section(title, path, words) for title, path in files),
    )


def _setting_lines(settings: Settings) -> Iterator[Line]:
    for field in fields(Settings):
        value = getattr(settings, field.name)
        text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        yield Line(field.name, shown(text if value not in (None, ()) else UNKNOWN, 400))


def _file_section(title: str, path: Path, words: NullTranslations) -> Section:
    exists = path.exists()
    where = path if path.is_dir() else path.parent
    lines = [Line("", shown(path, 400))]
    if not exists:
        lines.append(Line("", words.gettext("This file does not exist: nothing is decided there.")))
    button = Button(words.gettext("Open the folder"), Deed.OPEN, str(where), enabled=where.is_dir())
    return Section(title, tuple(lines), (button,))
