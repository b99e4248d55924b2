"""pyHanko's own validator for AdES levels (EN 319 102-1), with nothing but what the file carries."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

from asn1crypto import crl, ocsp, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import ades
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import NoDSSFoundError
from pyhanko.sign.validation.policy_decl import (
    LocalKnowledge,
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer

from agent.signing.words import Level


def validate(content: bytes, root_der: bytes, level: Level, place: int = 0) -> Any:
    """The validator's result for a signature of the file, at a level, without asking anybody."""
    signature = PdfFileReader(BytesIO(content)).embedded_regular_signatures[place]
    checking = {Level.B: "none", Level.T: "none"}.get(level, "require")
    policy = CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build([CertTrustAnchor(x509.Certificate.load(root_der))]),
        revinfo_policy=CertRevTrustPolicy(RevocationCheckingPolicy.from_legacy(checking)),
    )
    spec = SignatureValidationSpec(
        policy,
        RevocationInfoGatheringSpec(RevinfoOnlineFetchingRule.LOCAL_ONLY),
        ts_cert_validation_policy=policy,
        local_knowledge=read_store(signature.reader),
        key_usage_settings=KeyUsageConstraints(key_usage={"non_repudiation"}),
    )
    return asyncio.run(_validate(signature, spec, level))


async def _validate(signature: Any, spec: SignatureValidationSpec, level: Level) -> Any:
    if level is Level.LTA:
        return await ades.ades_lta_validation(signature, PdfSignatureValidationSpec(spec))
    check = ades.ades_basic_validation if level is Level.B else ades.ades_with_time_validation
    return await check(signature.signed_data, spec, raw_digest=signature.compute_digest())


def read_store(reader: PdfFileReader) -> LocalKnowledge:
    """What the document security store holds."""
    try:
        store = DocumentSecurityStore.read_dss(reader)
    except NoDSSFoundError:
        return LocalKnowledge()
    answers = [ocsp.OCSPResponse.load(each.get_object().data) for each in store.ocsps]
    return LocalKnowledge(
        [container for answer in answers for container in OCSPContainer.load_multi(answer)],
        [CRLContainer(crl.CertificateList.load(each.get_object().data)) for each in store.crls],
        list(store.load_certs()),
    )
