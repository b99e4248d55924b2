"""The page "whom to turn to": every errand under its heading, for everybody, for one audience, or one errand alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from gettext import NullTranslations
from typing import Final

from agent.client import Client
from agent.people.errands.errands import AUDIENCES, GROUPS, SITUATIONS, Authority, Errand, Errands, load_errands
from agent.people.panel.sections import Button, Context, Deed, Line, Section, coded, only_told, shown

PAGE: Final = "errands"
BY_SITUATION: Final = ("card", "codes")
"""Headings whose errands are told by what has happened: nobody in trouble reads a list."""

REGISTRATION: Final = "registration"


def errands_target(errand_ids: Iterable[str]) -> str:
    """Where a button leads that shows these errands alone."""
    return f"{PAGE}#{','.join(errand_ids)}"


def errands_page(client: Client | None, context: Context) -> tuple[Section, ...]:
    """For the holder of the card in the reader; without one, for everybody."""
    cards = client.cards() if client is not None else []  # a card that is lost is in no reader
    holder = (cards[0].get("holder") or {}) if cards else {}
    profession = holder.get("profession") or holder.get("futureProfession") or {}
    errands = load_errands()
    authority = errands.find_authority(profession.get("code"), cards[0].get("kind") if cards else None)
    return errand_sections(errands, authority, coded(profession), context)


def errand_sections(
    errands: Errands, authority: Authority | None, profession: str, context: Context
) -> tuple[Section, ...]:
    """What the view asks for: an audience, some errands, or everything, with who registers the holder."""
    found = [errand for errand in map(errands.find, context.view.split(",")) if errand is not None]
    if found:
        chosen = tuple(_chosen_section(errand, context) for errand in found)
        back = Button(context.words.gettext("Show everything"), Deed.SHOW, PAGE)
        register = _authority_section(errands, authority, profession, context)
        return (*chosen, replace(register, buttons=(*register.buttons, back)))
    told = errands.for_audience(context.view) if context.view in AUDIENCES else errands
    sections = [_choice_section(context)]
    for group in _list_groups(told):
        sections += _group_sections(told, group, context)
        if group == REGISTRATION:
            sections.append(_authority_section(errands, authority, profession, context))
    return (*sections, *_failure_sections(errands, context))


def _chosen_section(errand: Errand, context: Context) -> Section:
    return Section(
        title=errand.name.text(context.language),
        lines=(Line("", errand_text(errand, context.words, context.language)),),
        buttons=tuple(_page_buttons((errand,), context)),
        mark=None if errand.checked else context.words.gettext("TO BE CHECKED"),
    )


def _choice_section(context: Context) -> Section:
    """For whom: a button for each audience; the one that is shown cannot be pressed."""
    words, view = context.words, context.view
    labels = {
        "": words.gettext("Everybody"),
        "self": words.gettext("Myself"),
        "structure": words.gettext("Staff of a structure"),
        "employer": words.gettext("Staff of a practice"),
    }
    at = view if view in AUDIENCES else ""
    buttons = (
        Button(label, Deed.SHOW, f"{PAGE}#{name}" if name else PAGE, enabled=name != at)
        for name, label in labels.items()
    )
    return Section(words.gettext("For whom"), (), tuple(buttons))


def _list_groups(errands: Errands) -> tuple[str, ...]:
    """The headings that have something to say, in the order of the page; those of corrections come last."""
    found = {errand.group for errand in errands.errands} | {REGISTRATION}
    return tuple(group for group in (*GROUPS, *sorted(found - set(GROUPS))) if group in found)


def _group_sections(errands: Errands, group: str, context: Context) -> Iterator[Section]:
    found = errands.for_group(group)
    if group in BY_SITUATION:
        found = tuple(errand for errand in found if not set(errand.situations) & set(SITUATIONS))
    if group == BY_SITUATION[0]:
        yield from _situation_sections(errands, context)
    if found:
        yield _section(group_words(group, context.words), found, context)


def _situation_sections(errands: Errands, context: Context) -> Iterator[Section]:
    for situation in SITUATIONS:
        found = tuple(errand for errand in errands.for_situation(situation) if errand.group in BY_SITUATION)
        if found:
            yield _section(situation_words(situation, context.words), found, context)


def _section(title: str, errands: tuple[Errand, ...], context: Context) -> Section:
    return Section(title, tuple(_errand_lines(errands, context)), tuple(_page_buttons(errands, context)))


def _errand_lines(errands: tuple[Errand, ...], context: Context) -> Iterator[Line]:
    for errand in errands:
        yield Line("", f"• {errand_name(errand, context.words, context.language)}")
        yield Line("", errand_text(errand, context.words, context.language))


def errand_name(errand: Errand, words: NullTranslations, language: str) -> str:
    """What it is called, and that it is to be checked where it is."""
    name = errand.name.text(language)
    return name if errand.checked else words.gettext("{errand} (to be checked)").format(errand=name)


def errand_text(errand: Errand, words: NullTranslations, language: str) -> str:
    """What to do, and the code to have at hand."""
    return " ".join(filter(None, (errand.text.text(language), _code_words(errand.code, words))))


def _page_buttons(errands: tuple[Errand, ...], context: Context) -> Iterator[Button]:
    """One for each page, though several errands begin there."""
    urls = dict.fromkeys(errand.url for errand in errands if errand.url)
    for url in urls:
        yield _page_button(url, context)


def _page_button(url: str, context: Context) -> Button:
    name = url.removeprefix("https://").removesuffix("/")
    return Button(context.words.gettext("Open {page}").format(page=shown(name, 60)), Deed.BROWSE, url)


def group_words(group: str, words: NullTranslations) -> str:
    """A heading; one of a correction is its own."""
    return {
        "card": words.gettext("My card"),
        "codes": words.gettext("My codes"),
        "e-cps": words.gettext("e-CPS and digital identity"),
        "staff": words.gettext("My staff"),
        "certificates": words.gettext("Software certificates"),
        "registration": words.gettext("Registration"),
        "directory": words.gettext("Directory and mail (MSSanté)"),
        "forms": words.gettext("Forms, portals, security"),
    }.get(group, shown(group, 60))


def situation_words(situation: str, words: NullTranslations) -> str:
    """What has happened to a card."""
    return {
        "lost": words.gettext("My card is lost"),
        "stolen": words.gettext("My card is stolen"),
        "faulty": words.gettext("My card is faulty"),
        "codes-lost": words.gettext("My codes are lost"),
        "blocked": words.gettext("My code is blocked"),
        "order": words.gettext("I have no card"),
        "expired": words.gettext("My card has expired, or soon will"),
        "revoked": words.gettext("My card is revoked"),
    }.get(situation, shown(situation, 60))


def _code_words(code: str | None, words: NullTranslations) -> str:
    return {
        "unblocking": words.gettext("Code to have at hand: the unblocking code (8 digits)."),
        "pin": words.gettext("Code to have at hand: the code of the card that is used to log in."),
        "none": words.gettext("No code of the card is needed."),
    }.get(code or "", "")


def _authority_section(errands: Errands, authority: Authority | None, profession: str, context: Context) -> Section:
    """Whom the holder turns to; without a card, everybody for whom."""
    words, language = context.words, context.language
    title = words.gettext("Who registers you")
    note = Line(
        "",
        words.gettext(
            "Military staff: the armed forces' medical service. A role that is no regulated profession: the structure."
        ),
    )
    if authority is None:
        lines = tuple(Line("", f"• {one.name.text(language)}") for one in errands.authorities)
        return Section(title, (Line("", words.gettext("It depends on your profession:")), *lines, note))
    told = only_told(
        (words.gettext("Profession on the card"), profession),
        (words.gettext("Authority"), authority.name.text(language)),
    )
    buttons = (_page_button(authority.url, context),) if authority.url else ()
    return Section(title, (*told, note), buttons)


def _failure_sections(errands: Errands, context: Context) -> Iterator[Section]:
    if errands.failures:
        lines = tuple(Line("", shown(failure, 400)) for failure in errands.failures)
        yield Section(context.words.gettext("Corrections that cannot be read"), lines)
