"""URIs by which XML signatures name hashes, signature methods and transforms (XMLDSig 1.1 §6, RFC 9231 §2)."""

from __future__ import annotations

from typing import Final

from agent.signing.xml_names import DS

_ENC: Final = "http://www.w3.org/2001/04/xmlenc#"
_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
_LATER: Final = "http://www.w3.org/2007/05/xmldsig-more#"

SHA1: Final = f"{DS}sha1"
SHA256: Final = f"{_ENC}sha256"
SHA384: Final = f"{_MORE}sha384"
SHA512: Final = f"{_ENC}sha512"

RSA_SHA1: Final = f"{DS}rsa-sha1"
RSA_SHA256: Final = f"{_MORE}rsa-sha256"
RSA_SHA384: Final = f"{_MORE}rsa-sha384"
RSA_SHA512: Final = f"{_MORE}rsa-sha512"

# RFC 9231 §2.3.10: RSASSA-PSS whose salt is as long as the hash.
PSS_SHA256: Final = f"{_LATER}sha256-rsa-MGF1"
PSS_SHA384: Final = f"{_LATER}sha384-rsa-MGF1"
PSS_SHA512: Final = f"{_LATER}sha512-rsa-MGF1"

ECDSA_SHA256: Final = f"{_MORE}ecdsa-sha256"
ECDSA_SHA384: Final = f"{_MORE}ecdsa-sha384"
ECDSA_SHA512: Final = f"{_MORE}ecdsa-sha512"

BASE64: Final = f"{DS}base64"
ENVELOPED: Final = f"{DS}enveloped-signature"
XPATH: Final = "http://www.w3.org/TR/1999/REC-xpath-19991116"
XPATH_FILTER: Final = "http://www.w3.org/2002/06/xmldsig-filter2"
NO_SIGNATURES: Final = "not(ancestor-or-self::ds:Signature)"  # as XPATH has it
