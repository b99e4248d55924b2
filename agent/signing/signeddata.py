"""CMS SignedData as it is read here (RFC 5652 §5): certificates, and the check of one signer's value.

Stricter than the libraries: signed attributes are required, each stands once, and hash, signature algorithm and key
are of a list. The outer layers may be BER, as many programs write them; what is hashed is hashed as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from asn1crypto import cms, core, tsp, x509
from pyhanko.sign.general import check_ess_certid, match_issuer_serial
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import validate_sig_integrity

from agent.signing.verification.findings import Reason

Imprint = Callable[[str], bytes]
"""The digest of what is signed, by the name of a hash; b"" where it is not known for that hash."""

HASHES: Final = frozenset({"sha256", "sha384", "sha512"})
SIGNATURE_STAMP: Final = "signature_time_stamp_token"
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS, MAX_EXPONENT_BITS = 8192, 64
VERSIONS: Final = frozenset({"v1", "v3", "v4", "v5"})
MAX_SIGNERS: Final = 16
MAX_CERTIFICATES: Final = 256
CURVES: Final = frozenset(
    {"secp256r1", "secp384r1", "secp521r1", "brainpoolp256r1", "brainpoolp384r1", "brainpoolp512r1"}
)


class SignatureFaultError(Exception):
    """A signature does not hold. `reason`: why, in a word; the message is for a developer."""

    def __init__(self, reason: Reason, hint: str) -> None:
        super().__init__(hint)
        self.reason = reason


@contextmanager
def any_bytes() -> Iterator[None]:
    """Whatever the libraries raise on bytes of others becomes a SignatureFaultError."""
    try:
        yield
    except SignatureFaultError:
        raise
    except SignatureValidationError as error:
        raise SignatureFaultError(Reason.MALFORMED, str(error.failure_message)) from error
    except Exception as error:  # the edge to asn1crypto and pyHanko: KeyError, AttributeError, RecursionError …
        raise SignatureFaultError(Reason.MALFORMED, f"it cannot be read ({type(error).__name__})") from error


def read_as_it_stands(value: Any) -> bytes:
    """The very bytes that a value was parsed from.

    asn1crypto's own dump encodes anew what it takes for changed, or whose header happens to end in 0x80.
    """
    if isinstance(value, core.Choice):
        return read_as_it_stands(value.chosen)
    kept = vars(value).get("_contents")  # of what is constructed; others have but one form of theirs
    content: bytes = value._header + (value.contents if kept is None else kept) + value._trailer  # noqa: SLF001
    return content


class WholeCertificate(x509.Certificate):  # type: ignore[misc]
    """A certificate that is written as it was read: genuine ones have names in an order that DER does not have."""

    def dump(self, force: bool = False) -> bytes:  # noqa: ARG002, FBT001, FBT002 - asn1crypto's
        """Give its bytes."""
        return read_as_it_stands(self)


def load_signed_data(content: bytes) -> cms.SignedData:
    """Parse a ContentInfo around SignedData, with nothing after it. Raises SignatureFaultError."""
    with any_bytes():
        info = cms.ContentInfo.load(content, strict=True)
        if info["content_type"].native != "signed_data":
            raise SignatureFaultError(Reason.MALFORMED, "no CMS signed data")
        data: cms.SignedData = info["content"]
        if len(data["signer_infos"]) > MAX_SIGNERS or len(list_certificates(data)) > MAX_CERTIFICATES:
            raise SignatureFaultError(Reason.MALFORMED, "more signers or certificates than are read")
        _require_hashes(data)
        return data


def _require_hashes(data: cms.SignedData) -> None:
    """Whether it names the hashes of its signers beforehand (RFC 5652 §5.1), and has a version that there is."""
    listed = list(data["digest_algorithms"])
    named = {each["algorithm"].native for each in listed}
    is_plain = all(each["parameters"].native is None for each in listed)
    used = {signer["digest_algorithm"]["algorithm"].native for signer in data["signer_infos"]}
    if data["version"].native not in VERSIONS or not is_plain or not used <= named:
        raise SignatureFaultError(Reason.MALFORMED, "a version that there is not, or a hash that it does not name")


def list_certificates(data: cms.SignedData) -> list[x509.Certificate]:
    """The X.509 certificates that it carries."""
    choices = [choice for choice in data["certificates"] or () if choice.name == "certificate"]
    return [WholeCertificate.load(read_as_it_stands(choice)) for choice in choices]


def find_attribute(attributes: Iterable[Any], name: str) -> Any | None:
    """The value of an attribute; None without. Raises SignatureFaultError when it stands twice or has not one value."""
    found = [each for each in attributes or () if each["type"].native == name]
    if not found:
        return None
    if len(found) > 1 or len(found[0]["values"]) != 1:
        raise SignatureFaultError(Reason.MALFORMED, f"{name} stands more than once")
    return found[0]["values"][0]


def find_signer_certificate(signer: cms.SignerInfo, certificates: Iterable[x509.Certificate]) -> x509.Certificate:
    """The one that the signer names, in its identifier and in signing-certificate. Raises SignatureFaultError."""
    named = [each for each in certificates if _is_named(signer["sid"], each)]
    for certificate in named:
        if matches_reference(signer, certificate) is not False:
            return certificate
    hint = "signing-certificate names another certificate" if named else "the signer's certificate is not in it"
    raise SignatureFaultError(Reason.CERTIFICATE_ABSENT, hint)


def list_signers_der(data: cms.SignedData) -> list[bytes]:
    """The certificates that its signers may be naming."""
    signers = data["signer_infos"]
    return [each.dump() for each in list_certificates(data) if any(_is_named(one["sid"], each) for one in signers)]


def _is_named(identifier: cms.SignerIdentifier, certificate: x509.Certificate) -> bool:
    if identifier.name == "issuer_and_serial_number":
        return bool(match_issuer_serial(identifier.chosen, certificate))
    return bool(certificate.key_identifier) and certificate.key_identifier == identifier.chosen.native


def matches_reference(signer: cms.SignerInfo, certificate: x509.Certificate) -> bool | None:
    """Whether signing-certificate-v2, or its forerunner, names this one (RFC 5035 §3, §4); None without either."""
    attributes = signer["signed_attrs"]
    value = find_attribute(attributes, "signing_certificate_v2")
    if value is None:
        value = find_attribute(attributes, "signing_certificate")
    if value is None:
        return None
    reference: tsp.ESSCertIDv2 = value["certs"][0]
    return bool(check_ess_certid(certificate, reference))


def check_signer(signer: cms.SignerInfo, certificate: x509.Certificate, content_type: str, imprint: Imprint) -> None:
    """Check value, digest and attributes of a signer against its certificate. Raises SignatureFaultError."""
    with any_bytes():
        whole = cms.SignerInfo.load(read_as_it_stands(signer), strict=True)
        attributes = signer["signed_attrs"]
        if not attributes:
            raise SignatureFaultError(Reason.MALFORMED, "no signed attributes")
        _require_form(signer)
        _require_key(certificate)
        digest = imprint(require_algorithms(signer))
        is_intact, is_valid = validate_sig_integrity(whole, certificate, content_type, digest)
        if not is_valid:
            raise SignatureFaultError(Reason.SIGNATURE_WRONG, "the signature value is another key's, or damaged")
        if not is_intact:
            raise SignatureFaultError(Reason.ALTERED, "message-digest is that of another content")


def _require_form(signer: cms.SignerInfo) -> None:
    """What is not under the signature, in the one form that RFC 5652 §5.3 gives it; signed attributes once each."""
    types = [each["type"].dotted for each in signer["signed_attrs"]]
    if len(set(types)) != len(types):
        raise SignatureFaultError(Reason.MALFORMED, "a signed attribute stands more than once")
    if signer["version"].native != ("v1" if signer["sid"].name == "issuer_and_serial_number" else "v3"):
        raise SignatureFaultError(Reason.MALFORMED, "the version of a signer is not that of its identifier")
    scheme = signer["signature_algorithm"]
    plain = scheme["algorithm"].native == "rsassa_pss" or scheme["parameters"].native is None
    if not plain or signer["digest_algorithm"]["parameters"].native is not None:
        raise SignatureFaultError(Reason.ALGORITHM_REFUSED, "an algorithm with parameters")


def require_algorithms(signer: cms.SignerInfo) -> str:
    """Give the name of the signer's hash; it and the signature's must be of the list and agree."""
    name: str = signer["digest_algorithm"]["algorithm"].native
    algorithm = signer["signature_algorithm"]
    scheme: str = algorithm["algorithm"].native
    fits = scheme in {"rsassa_pkcs1v15", f"{name}_rsa", f"{name}_ecdsa"} or (
        scheme == "rsassa_pss" and _is_plain_pss(algorithm["parameters"], name)
    )
    if name not in HASHES or not fits:
        raise SignatureFaultError(Reason.ALGORITHM_REFUSED, f"{name} with {scheme}")
    return name


def _is_plain_pss(parameters: Any, name: str) -> bool:
    """Whether one hash is used throughout, with a salt at least as long as 20 bytes (RFC 4055 §3.1)."""
    mask = parameters["mask_gen_algorithm"]
    return (
        parameters["hash_algorithm"]["algorithm"].native == name
        and mask["algorithm"].native == "mgf1"
        and mask["parameters"]["algorithm"].native == name
        and 20 <= parameters["salt_length"].native <= MAX_RSA_BITS // 8
        and parameters["trailer_field"].native in (1, "trailer_field_bc")
    )


def _require_key(certificate: x509.Certificate) -> None:
    key = certificate.public_key
    if key.algorithm in {"rsa", "rsassa_pss"}:
        exponent = key["public_key"].parsed["public_exponent"].native
        fits = MIN_RSA_BITS <= key.bit_size <= MAX_RSA_BITS and exponent.bit_length() <= MAX_EXPONENT_BITS
    else:
        fits = key.algorithm == "ec" and key.curve[0] == "named" and key.curve[1] in CURVES
    if not fits:
        raise SignatureFaultError(Reason.ALGORITHM_REFUSED, f"a key of {key.bit_size} bits of {key.algorithm}")
