"""Software certificates on the page of certificates: structures with their keys, orders, and what is to be renewed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from gettext import NullTranslations

from agent.client import Client, Json
from agent.people.certificate_words import state_words
from agent.people.keeping_words import name_role
from agent.people.panel.sections import Button, Context, Deed, Line, Section, moment_words, only_told, shown


def software_sections(client: Client, context: Context) -> tuple[Section, ...]:
    """One section for each token, each order and each damaged entry; then how to add another."""
    kept, waiting = client.software_certificates(), client.certificate_orders()
    words = context.words
    due = {str(one.get("certificate")): one for one in waiting.get("renewals") or ()}
    groups: dict[str, list[Json]] = {}
    for one in kept.get("certificates") or ():
        groups.setdefault(str(one.get("cardNumber")), []).append(one)
    return (
        *(token_section(keys, due, words) for keys in groups.values()),
        *(_damaged_section(str(entry), words) for entry in kept.get("damaged") or ()),
        *(order_section(order, context) for order in waiting.get("orders") or ()),
        _import_section(words),
    )


def token_section(keys: list[Json], due: dict[str, Json], words: NullTranslations) -> Section:
    """The keys of one subject: what each is for, how it stands, how it is protected."""
    first = keys[0]
    structure = first.get("structure") or {}
    roles = {key.get("role") for key in keys if key.get("current")}
    return Section(
        title=shown(first.get("label")) or words.gettext("Software certificate"),
        lines=(
            *only_told(
                (words.gettext("Software certificate"), shown(first.get("cardNumber"), 40)),
                (words.gettext("Structure"), shown(structure.get("id"), 40)),
            ),
            *(Line(name_role(key.get("role"), words), _key_words(key, due, words)) for key in keys),
            *_pair_lines(roles, words),
        ),
        buttons=(Button(words.gettext("Remove…"), Deed.REMOVE_CERTIFICATE, str(first.get("cardNumber"))),),
    )


def _key_words(key: Json, due: dict[str, Json], words: NullTranslations) -> str:
    until = words.gettext("until {date}").format(date=moment_words(key.get("notAfter"), words))
    by_passphrase = key.get("protection") == "passphrase"
    how = words.gettext("with a passphrase") if by_passphrase else words.gettext("opened by the key store")
    parts = [state_words(str(key.get("state")), words), until, how]
    renewal = due.get(str(key.get("id")))
    if renewal is not None:
        ordered = renewal.get("ordered") is not None
        parts.append(words.gettext("its renewal is on order") if ordered else words.gettext("to be renewed now"))
    if not key.get("current"):
        parts.append(words.gettext("replaced by a newer one"))
    return ", ".join(parts)


def _pair_lines(roles: Iterable[object], words: NullTranslations) -> Iterator[Line]:
    """What the structure lacks of the two keys that services ask for together."""
    lent = {"AUTH_CLI", "SIGN"} & set(map(str, roles))
    if len(lent) == 1:
        missing = next(iter({"AUTH_CLI", "SIGN"} - lent))
        yield Line(words.gettext("Missing"), name_role(missing, words))


def _damaged_section(entry: str, words: NullTranslations) -> Section:
    return Section(
        words.gettext("Damaged software certificate"),
        only_told((words.gettext("Id"), shown(entry, 40))),
        (Button(words.gettext("Remove…"), Deed.REMOVE_CERTIFICATE, entry),),
    )


def order_section(order: Json, context: Context) -> Section:
    """A certificate that was asked for and has not come yet."""
    words, subject = context.words, order.get("subject") or {}
    label = order.get("labelFr" if context.language == "fr" else "label") or order.get("product")
    return Section(
        words.gettext("On order: {label}").format(label=shown(label)),
        only_told(
            (words.gettext("Order"), shown(order.get("id"), 40)),
            (words.gettext("Structure"), shown(subject.get("organisation"))),
            (words.gettext("Name"), shown(subject.get("commonName"))),
            (words.gettext("Ordered"), moment_words(order.get("createdAt"), words)),
            (words.gettext("When it comes"), f"cps-agent software deliver {shown(order.get('id'), 40)} …"),
        ),
        (Button(words.gettext("Give up…"), Deed.CANCEL_ORDER, str(order.get("id"))),),
    )


def _import_section(words: NullTranslations) -> Section:
    return Section(
        words.gettext("Add a software certificate"),
        (
            Line(
                "",
                words.gettext("A file .p12, .pfx or .pem with its key. To order one: cps-agent software order --help"),
            ),
        ),
        (Button(words.gettext("Choose a file…"), Deed.IMPORT_CERTIFICATE),),
    )
