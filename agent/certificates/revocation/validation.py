"""Judge OCSP answers and CRLs with pyhanko-certvalidator (RFC 6960 §3.2, RFC 5280 §6.3). The child's alone.

Nonces are not used: whether the responder of the ANS answers them is not known. So an old answer can be replayed as
long as it holds; one that is older than what was seen before is not taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from asn1crypto import crl, ocsp, x509
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import (
    CRLValidationError,
    CRLValidationIndeterminateError,
    OCSPValidationError,
    OCSPValidationIndeterminateError,
    PathValidationError,
    RevokedError,
)
from pyhanko_certvalidator.fetchers.common_utils import format_ocsp_request
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.revinfo.archival import OCSPContainer
from pyhanko_certvalidator.revinfo.validate_crl import verify_crl
from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response

from agent.certificates.revocation.verdict import Reason, Source, Status, Verdict

TOLERANCE: Final = timedelta(minutes=5)
"""Between the clocks of a workstation and of a responder."""


class AnswerError(Exception):
    """An answer that says nothing; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Times:
    """ThisUpdate and nextUpdate of an answer."""

    produced_at: datetime
    next_update: datetime | None


class Subject:
    """The certificate in question with its issuers, from its own up to the root. Raises ValueError."""

    def __init__(self, certificate_der: bytes, chain_der: Iterable[bytes]) -> None:
        self._leaf = x509.Certificate.load(certificate_der, strict=True)
        self._issuers = [x509.Certificate.load(der, strict=True) for der in chain_der]
        *between, root = self._issuers
        self._root = CertTrustAnchor(root)
        self._path = ValidationPath(self._root, list(reversed(between)), self._leaf)

    def ocsp_request(self) -> bytes:
        """The request of RFC 6960 §4.1.1 for this certificate alone, without a nonce."""
        authority = self._path.find_issuing_authority(self._leaf)
        request = format_ocsp_request(self._leaf, authority, certid_hash_algo="sha1", request_nonces=False)
        return bytes(request.dump())

    def date_ocsp(self, content: bytes) -> datetime:
        """When an OCSP response was true, as it says itself. Raises AnswerError."""
        with _any_bytes():
            return _find_single(_load(ocsp.OCSPResponse, content), int(self._leaf.serial_number))[1].produced_at

    def date_crl(self, content: bytes) -> datetime:
        """The same of a CRL. Raises AnswerError."""
        with _any_bytes():
            return _times(_load(crl.CertificateList, content)["tbs_cert_list"]).produced_at

    def judge_ocsp(self, content: bytes, now: datetime) -> Verdict:
        """Judge an OCSP response. Raises AnswerError."""
        with _any_bytes():
            response = _load(ocsp.OCSPResponse, content)
            container, times = _find_single(response, int(self._leaf.serial_number))
            return self._judge_then(now, times, lambda at: self._judge_single(container, times, at))

    def _judge_single(self, container: OCSPContainer, times: Times, at: datetime) -> Verdict:
        context = self._context(at, ocsps=[container])
        return self._judge(verify_ocsp_response, context, Source.OCSP, times)

    def judge_crl(self, content: bytes, now: datetime) -> Verdict:
        """Judge a CRL. A delta that it may name is left aside: the list itself holds until its nextUpdate."""
        with _any_bytes():
            certificate_list = _load(crl.CertificateList, content)
            times = _times(certificate_list["tbs_cert_list"])
            return self._judge_then(now, times, lambda at: self._judge_list(certificate_list, times, at))

    def _judge_list(self, certificate_list: crl.CertificateList, times: Times, at: datetime) -> Verdict:
        context = self._context(at, crls=[certificate_list])

        def verify(leaf: Any, path: ValidationPath, context: ValidationContext) -> Awaitable[Any]:
            return verify_crl(leaf, path, context, use_deltas=False)

        return self._judge(verify, context, Source.CRL, times)

    def _judge_then(self, now: datetime, times: Times, judge: Callable[[datetime], Verdict]) -> Verdict:
        """What has run out says nothing good any more, but a revocation that it told stands. Raises AnswerError.

        One that may be taken back does not: whoever plays such an answer back would keep a good card out.
        """
        try:
            return judge(now)
        except AnswerError as error:
            if error.reason is Reason.STALE and times.produced_at < now:
                past = judge(times.produced_at)
                if past.is_final:
                    return past
            raise

    def _context(self, now: datetime, **answers: Any) -> ValidationContext:
        """Nothing is fetched; the certificate of a responder is checked as far as the answer itself allows."""
        return ValidationContext(
            trust_roots=[self._root],
            other_certs=self._issuers[:-1],
            moment=now,
            allow_fetching=False,
            time_tolerance=TOLERANCE,
            **answers,
        )

    def _judge(
        self,
        verify: Callable[[Any, ValidationPath, ValidationContext], Awaitable[Any]],
        context: ValidationContext,
        source: Source,
        times: Times,
    ) -> Verdict:
        try:
            asyncio.run(_await(verify(self._leaf, self._path, context)))
        except RevokedError as error:
            reason = str(error.reason.native or "unspecified").replace("_", "-")
            return Verdict(Status.REVOKED, source, times.produced_at, times.next_update, error.revocation_dt, reason)
        except (OCSPValidationIndeterminateError, CRLValidationIndeterminateError) as error:
            raise AnswerError(_why(error)) from error
        except (OCSPValidationError, CRLValidationError, PathValidationError, ValueError, TypeError) as error:
            raise AnswerError(Reason.RESPONDER_WRONG) from error
        return Verdict(Status.GOOD, source, times.produced_at, times.next_update)


@contextmanager
def _any_bytes() -> Iterator[None]:
    """Whatever two libraries raise on bytes of a network: another address may still answer."""
    try:
        yield
    except AnswerError:
        raise
    except Exception as error:  # the edge to asn1crypto and certvalidator: KeyError, AttributeError, MemoryError …
        raise AnswerError(Reason.RESPONDER_WRONG) from error


async def _await(work: Awaitable[Any]) -> None:
    await work


def _why(error: OCSPValidationIndeterminateError | CRLValidationIndeterminateError) -> Reason:
    """No failure at all: the responder said `unknown`."""
    if error.suspect_stale is not None:
        return Reason.STALE
    return Reason.RESPONDER_WRONG if error.failures else Reason.NOT_KNOWN_TO_ISSUER


def _load(kind: Any, content: bytes) -> Any:
    try:
        return kind.load(content, strict=True)
    except (ValueError, TypeError) as error:
        raise AnswerError(Reason.RESPONDER_WRONG) from error


def _find_single(response: ocsp.OCSPResponse, serial_number: int) -> tuple[OCSPContainer, Times]:
    """The part of the answer about this serial number; that it is the right issuer's is checked later."""
    try:
        for container in OCSPContainer.load_multi(response):
            single = container.extract_single_response()
            if single is not None and single["cert_id"]["serial_number"].native == serial_number:
                return container, _times(single)
    except (ValueError, TypeError) as error:
        raise AnswerError(Reason.RESPONDER_WRONG) from error
    raise AnswerError(Reason.RESPONDER_WRONG)


def _times(part: Any) -> Times:
    try:
        return Times(part["this_update"].native, part["next_update"].native)
    except (ValueError, TypeError) as error:
        raise AnswerError(Reason.RESPONDER_WRONG) from error
