"""XAdES signatures at the baseline levels B, T and LT (ETSI EN 319 132-1 §6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lxml import etree

from agent.signing.documents import Document
from agent.signing.evidence import gather_evidence
from agent.signing.preparation import Outside, SignatureTerms, Signer, refuse_options, require_time_stamps
from agent.signing.timestamps import TimeStamps
from agent.signing.words import Level
from agent.signing.xades_properties import add_evidence, add_signed_properties, add_time_stamp, add_unsigned_properties
from agent.signing.xml import C14n, Element, canonicalise
from agent.signing.xml_names import SIGNED_PROPERTIES
from agent.signing.xml_packaging import Packed, Place, pack
from agent.signing.xml_signature import SignatureDraft, XmlUnsigned

TERMS = SignatureTerms


@dataclass(frozen=True, slots=True)
class Making:
    """What all signatures of a call have in common. `stamps`: None at level B."""

    terms: SignatureTerms
    signer: Signer
    outside: Outside
    stamps: TimeStamps | None

    @classmethod
    def begin(cls, terms: SignatureTerms, signer: Signer, outside: Outside) -> Making:
        """Raises TimeStampUnsetError."""
        return cls(terms, signer, outside, None if terms.level is Level.B else TimeStamps(outside))


class XadesUnsigned(XmlUnsigned):
    """A signature of one document, or of several; complete, it is an XML document in UTF-8."""

    def __init__(self, name: str, packed: Sequence[Packed], place: Place, making: Making) -> None:
        draft = SignatureDraft(making.signer)
        super().__init__(name, draft, place)
        self._making = making
        formats = [(draft.refer(each), each.media_type) for each in packed]
        self._signed_properties: Element = add_signed_properties(
            draft.root, formats, making.terms, making.signer.certificate_der
        )
        draft.refer_inside(self._signed_properties, Type=SIGNED_PROPERTIES)
        draft.refer_to_key()

    def _extend(self) -> None:
        """Add the time-stamp and the evidence that the level wants. Raises TimeStampError, EvidenceError."""
        making = self._making
        if making.stamps is None:
            return
        token = making.stamps.stamp(canonicalise(self._draft.value, C14n.EXCLUSIVE))
        unsigned = add_unsigned_properties(self._signed_properties)
        add_time_stamp(unsigned, token)
        if making.terms.level is Level.LT:
            signer = making.signer
            add_evidence(
                unsigned, gather_evidence(signer.certificate_der, signer.chain_der, making.outside, (token,))
            )  # fmt: skip


def check_terms(terms: SignatureTerms, outside: Outside) -> None:
    """Refuse what XAdES has no place for. Raises TermsRefusedError, TimeStampUnsetError."""
    refuse_options(terms, "serialization", "reason", "location", "field", "appearance")
    require_time_stamps(terms.level, outside)
    add_signed_properties(etree.Element("check"), (), terms, b"")


def check(documents: Sequence[Document], terms: SignatureTerms, outside: Outside) -> None:
    """Refuse documents that are not safe XML where they must be, and what XAdES has no place for."""
    check_terms(terms, outside)
    for document in documents:
        pack(document, terms.packaging)


def prepare(
    documents: Sequence[Document], terms: SignatureTerms, signer: Signer, outside: Outside
) -> Iterator[XadesUnsigned]:
    """Make one for each document."""
    making = Making.begin(terms, signer, outside)
    for document in documents:
        packed = pack(document, terms.packaging)
        yield XadesUnsigned(document.name, [packed], packed.place, making)
