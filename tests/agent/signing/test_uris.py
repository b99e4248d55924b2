"""A `uri` that a signature has no place for is refused, never passed over."""

from __future__ import annotations

import pytest

from agent.signing.documents import Document
from agent.signing.errors import TermsRefusedError
from agent.signing.kinds import load_kind
from agent.signing.preparation import Outside, SignatureTerms
from agent.signing.words import RULES, Format, Level, Packaging

NAMING = {Format.XMLDSIG, Format.XADES, Format.JADES}
WAYS = [(name, packaging) for name in Format if name is not Format.RAW for packaging in RULES[name].packagings]


@pytest.mark.parametrize(("name", "packaging"), WAYS)
def test_only_detached_xml_and_jades_name_documents(name: Format, packaging: Packaging) -> None:
    kind = load_kind(name)
    document = Document.of("a.xml", b"<a/>", uri="urn:example:a")
    terms = SignatureTerms(name, Level.B, packaging)
    if name in NAMING and packaging is Packaging.DETACHED:
        kind.check([document], terms, Outside())
    else:
        with pytest.raises(TermsRefusedError, match="uri") as caught:
            kind.check([document], terms, Outside())
        assert caught.value.document == "a.xml"
