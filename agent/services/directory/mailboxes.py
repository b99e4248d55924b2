"""MSSanté mailboxes out of contact points: those that the directory marks as such, with their kind."""

from __future__ import annotations

import re
from typing import Final

from agent.services.directory.bundle import Resource, list_members, read_text
from agent.services.directory.values import Mailbox, MailboxKind

EMAIL_TYPE: Final = "fr-core-contact-point-email-type"
METADATA: Final = "as-ext-mailbox-mss-metadata"
MSSANTE: Final = "MSSANTE"
ADDRESS: Final = re.compile(r"[!#-'*+\-./0-9=?A-Z^-~]{1,64}@[0-9A-Za-z](?:[0-9A-Za-z.-]{0,252}[0-9A-Za-z])?")
"""ASCII alone: patients' data goes to these addresses, and no letter may pass for another one."""


def read_mailboxes(resource: Resource, structure: str | None = None) -> list[Mailbox]:
    """The mailboxes of a Practitioner, PractitionerRole or Organization (profile as-mailbox-mss)."""
    found = (_read_mailbox(point, structure) for point in list_members(resource, "telecom"))
    return [mailbox for mailbox in found if mailbox is not None]


def _read_mailbox(point: Resource, structure: str | None) -> Mailbox | None:
    extensions = {_name(one): one for one in list_members(point, "extension")}
    address = read_text(point, "value")
    is_mailbox = METADATA in extensions or _is_mssante(extensions.get(EMAIL_TYPE))
    if point.get("system") != "email" or point.get("use") == "old" or not is_mailbox:
        return None
    if address is None or ADDRESS.fullmatch(address) is None:
        return None
    metadata = {_name(one): one for one in list_members(extensions.get(METADATA, {}), "extension")}
    return Mailbox(
        address=address,
        kind=_kind(metadata.get("type")),
        structure=structure,
        service=read_text(metadata.get("service", {}), "valueString"),
        description=read_text(metadata.get("description", {}), "valueString"),
    )


def _name(extension: Resource) -> str:
    """The last part of its address: hosts and versions have changed, names have not."""
    return str(extension.get("url")).rpartition("/")[2].partition("|")[0]


def _is_mssante(extension: Resource | None) -> bool:
    coding = (extension or {}).get("valueCoding")
    return isinstance(coding, dict) and coding.get("code") == MSSANTE


def _kind(extension: Resource | None) -> MailboxKind | None:
    concept = (extension or {}).get("valueCodeableConcept")
    codings = list_members(concept, "coding") if isinstance(concept, dict) else []
    known = (coding.get("code") for coding in codings)
    return next((MailboxKind(code) for code in known if code in list(MailboxKind)), None)
