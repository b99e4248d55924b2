"""SOAP 1.2 as the health services speak it: a message with its action, and what an answer or a fault says.

Copy this file; it needs nothing but Python.
"""

import uuid
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from local_agent import RefusedError

SOAP, WSA = "http://www.w3.org/2003/05/soap-envelope", "http://www.w3.org/2005/08/addressing"
ANONYMOUS = f"{WSA}/anonymous"


def write_envelope(action, body, header=""):
    """A message without the assertion, which the agent adds. `body` and `header`: XML of the caller's own."""
    addressing = (
        f"<wsa:MessageID>urn:uuid:{uuid.uuid4()}</wsa:MessageID>"
        f"<wsa:ReplyTo><wsa:Address>{ANONYMOUS}</wsa:Address></wsa:ReplyTo>"
        f"<wsa:Action>{escape(action)}</wsa:Action>"
    )
    return (
        f'<soap:Envelope xmlns:soap="{SOAP}" xmlns:wsa="{WSA}"><soap:Header>{addressing}{header}</soap:Header>'
        f"<soap:Body>{body}</soap:Body></soap:Envelope>"
    )


def read_body(content):
    """The first element of an answer's body. Raises RefusedError for a fault."""
    try:
        body = ET.fromstring(content).find(f"{{{SOAP}}}Body")
    except ET.ParseError as error:
        raise RefusedError(f"the service answers with no XML: {error}") from error
    if body is None or not len(body):
        raise RefusedError("the service answers with no SOAP 1.2 message")
    if body[0].tag == f"{{{SOAP}}}Fault":
        raise RefusedError(f"the service answers with a fault: {_read_fault(body[0])}")
    return body[0]


def _read_fault(fault):
    reason = fault.findtext(f"{{{SOAP}}}Reason/{{{SOAP}}}Text")
    subcode = fault.findtext(f"{{{SOAP}}}Code/{{{SOAP}}}Subcode/{{{SOAP}}}Value")
    codes = [each.get("code") for each in fault.iterfind(f"{{{SOAP}}}Detail/*")]
    return ", ".join(filter(None, (reason, subcode, *codes)))


def now():
    """The time as these services write it: UTC, in milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
