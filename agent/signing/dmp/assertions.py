"""SAML 2.0 assertions (OASIS, 15 March 2005) with an enveloped signature after the issuer (Core §2.3.3, §5.4)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from agent.signing.dmp.dsig import (
    Reference,
    add_certificate,
    hash_of,
    new_signature,
    put_value,
    signed_info,
)
from agent.signing.dmp.messages import MEDIA_TYPES, Message
from agent.signing.dmp.names import read_certificate, write_name
from agent.signing.dmp.soap import MEDIA_TYPE as SOAP_TYPE
from agent.signing.dmp.soap import wrap
from agent.signing.dmp.terms import Envelope
from agent.signing.dmp.words import Hash
from agent.signing.documents import Document
from agent.signing.errors import TermsRefusedError
from agent.signing.preparation import Signer, Unsigned
from agent.signing.words import Scheme
from agent.signing.xml import C14n, Element, canonicalise
from agent.signing.xml_algorithms import ENVELOPED
from agent.signing.xml_elements import add, new_root, write
from agent.signing.xml_names import SAML, XSI, saml

SUBJECT_NAME: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName"
METHOD: Final = C14n.EXCLUSIVE
MEDIA_TYPE: Final = "application/samlassertion+xml"
BARE: Final[Mapping[str | None, str]] = {"saml2": SAML}
TYPED: Final[Mapping[str | None, str]] = {**BARE, "xsi": XSI}


def new_assertion(certificate_der: bytes, moment: str, namespaces: Mapping[str | None, str] = TYPED) -> Element:
    """An assertion of the certificate's subject, with a new id.

    Prefixes that nothing uses would be signed by nobody: an assertion that may have no typed value is BARE.
    """
    assertion_id = f"_{uuid.uuid4()}"
    root = new_root(saml("Assertion"), namespaces, ID=assertion_id, IssueInstant=moment, Version="2.0")
    subject = write_name(read_certificate(certificate_der).subject)
    add(root, saml("Issuer"), subject, Format=SUBJECT_NAME)
    return root


def add_subject(assertion: Element, name_id: str, **attributes: str) -> None:
    """Of whom it is said."""
    add(add(assertion, saml("Subject")), saml("NameID"), name_id, **attributes)


def write_moment() -> str:
    """Now, in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def require(value: str | None, what: str) -> str:
    """Raise TermsRefusedError for something that nobody has told."""
    if value is None:
        raise TermsRefusedError(f"{what} is missing")
    return value


@dataclass(frozen=True, slots=True)
class Frame:
    """What the finished assertion is handed back in."""

    media_type: str
    put: Callable[[Element], bytes]


def find_frame(documents: Sequence[Document], envelope: Envelope | None) -> Frame:
    """Nothing, a new message, or the caller's own, which comes as a document: none is signed here.

    Raises TermsRefusedError, EnvelopeRefusedError.
    """
    if not documents:
        return (
            Frame(MEDIA_TYPE, write) if envelope is None else Frame(SOAP_TYPE, lambda each: write(wrap(each, envelope)))
        )
    if len(documents) > 1 or documents[0].media_type not in MEDIA_TYPES:
        raise TermsRefusedError("an assertion signs no documents")
    if envelope is not None:
        raise TermsRefusedError("an assertion goes into one envelope: the caller's or a new one")
    return Frame(SOAP_TYPE, Message(documents[0]).put)


class AssertionUnsigned(Unsigned):
    """An assertion without its signature's value; `name` is its id."""

    def __init__(self, assertion: Element, signer: Signer, hash_name: Hash, frame: Frame) -> None:
        if signer.scheme is not Scheme.RS256:
            raise TermsRefusedError("these services take RSASSA-PKCS1-v1_5")
        self.name = assertion.get("ID")
        self.hash_name = hash_name
        self.media_type = frame.media_type
        self._assertion, self._frame = assertion, frame
        digest = hash_of(canonicalise(assertion, METHOD), hash_name)
        reference = Reference(f"#{self.name}", digest, (ENVELOPED, METHOD))
        self._signature = new_signature(METHOD, hash_name, [reference])
        add_certificate(self._signature, signer.certificate_der)
        assertion.insert(1, self._signature)

    @property
    def to_sign(self) -> bytes:
        """Canonical SignedInfo."""
        return canonicalise(signed_info(self._signature), METHOD)

    def complete(self, value: bytes) -> bytes:
        """Put the value in, and the assertion into its frame."""
        put_value(self._signature, value)
        return self._frame.put(self._assertion)
