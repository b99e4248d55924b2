"""An assertion in the header of a SOAP 1.2 message: WS-Addressing 1.0, then WS-Security 1.0; the body stays empty."""

from __future__ import annotations

import uuid
from typing import Final

from agent.signing.dmp.terms import Envelope
from agent.signing.xml import Element
from agent.signing.xml_elements import add, add_scoped, new_root
from agent.signing.xml_names import SECURITY, SOAP

ADDRESSING: Final = "http://www.w3.org/2005/08/addressing"
ANONYMOUS: Final = ADDRESSING + "/anonymous"
MEDIA_TYPE: Final = "application/soap+xml"


def wrap(assertion: Element, terms: Envelope) -> Element:
    """The message: MessageID, To, ReplyTo, Action, Security (SOAP 1.2 part 1 §5.2.3 for what must be understood)."""
    envelope = new_root(f"{{{SOAP}}}Envelope", {"soap": SOAP})
    header = add(envelope, f"{{{SOAP}}}Header")
    must = {f"{{{SOAP}}}mustUnderstand": "true"}
    _add(header, "MessageID", terms.message_id or f"urn:uuid:{uuid.uuid4()}")
    _add(header, "To", terms.to)
    add(_add(header, "ReplyTo", **must), f"{{{ADDRESSING}}}Address", terms.reply_to or ANONYMOUS)
    _add(header, "Action", terms.action, **must)
    add_scoped(header, f"{{{SECURITY}}}Security", {"wsse": SECURITY}).append(assertion)
    add(envelope, f"{{{SOAP}}}Body")
    return envelope


def _add(header: Element, name: str, text: str | None = None, **attributes: str) -> Element:
    return add_scoped(header, f"{{{ADDRESSING}}}{name}", {None: ADDRESSING}, text, **attributes)
