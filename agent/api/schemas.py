"""JSON bodies of the API, each parsed in one place into a value; unknown members are refused, codes above all."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeVar, cast

import msgspec
from aiohttp import web
from msgspec import Meta

from agent.access.callers import Ability
from agent.api.problems import BodyTooLargeError, CallError, UnsupportedMediaError
from agent.signing.words import Format, Level, Packaging, Scheme, Serialization
from drivers.base import HASH_LENGTHS, Digest, Padding

SMALL_BODY = 64 * 1024
LARGE_BODY = 16 * 1024 * 1024
UPLOAD_BODY = 1024 * 1024 * 1024
MAX_DOCUMENTS = 50
MAX_ANCHORS = 16
MAX_BATCH = 1000
SECRET_MEMBERS = frozenset({"pin", "puk", "newPin", "oldPin", "code", "password", "passphrase"})

CardNumber = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[0-9A-Za-z]+\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
# Web eID servers send 44 characters, which are 32 bytes; the format allows 44 to 128.
Nonce = Annotated[str, Meta(min_length=44, max_length=128, pattern=r"^[A-Za-z0-9+/=_-]+\Z")]
Line = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
MediaType = Annotated[str, Meta(max_length=127, pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+\Z")]
Uri = Annotated[str, Meta(min_length=1, max_length=1024, pattern=r"^[!-~]+\Z")]
OriginText = Annotated[str, Meta(min_length=1, max_length=255)]


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A JSON object whose members are all known."""


class GrantBody(Body, frozen=True):
    """POST /v1/grants."""

    abilities: Annotated[tuple[Ability, ...], Meta(min_length=1, max_length=len(Ability))]


class PinBody(Body, frozen=True):
    """POST /v1/pin/…: which card; the codes are typed in the agent's own dialog."""

    card_number: CardNumber | None = None


class SituationsBody(Body, frozen=True):
    """POST /v1/cards/{number}/situations: nothing to say."""


class LockBody(Body, frozen=True):
    """POST /v1/pin/lock: nothing to say."""


class AuthenticationBody(Body, frozen=True, tag_field="format", tag="web-eid:1.0"):
    """POST /v1/authentications. `origin` is for programs alone; a page's own origin is used."""

    challenge_nonce: Nonce
    origin: OriginText | None = None
    card_number: CardNumber | None = None


class PscBody(Body, frozen=True, tag_field="format", tag="psc"):
    """POST /v1/authentications: a login at Pro Santé Connect for a client of the catalog. `acr`: at least that.

    For the way `ciba`: `loginHint`, the national id (without it the card's), and `channel`, the e-CPS or the card.
    """

    client: Annotated[str, Meta(min_length=1, max_length=32)]
    way: Literal["browser", "ciba"] = "browser"
    acr: Literal["eidas1", "eidas2", "eidas3"] | None = None
    login_hint: Annotated[str, Meta(pattern=r"^[!-~]{1,64}\Z")] | None = None
    channel: Literal["MOBILE", "CARD"] | None = None


class TokenBody(Body, frozen=True):
    """POST /v1/psc/sessions/{id}/token: nothing to say."""


class ExchangeBody(Body, frozen=True):
    """POST /v1/psc/sessions/{id}/exchange: for which API, among the client's `audiences`."""

    audience: Annotated[str, Meta(min_length=1, max_length=512)]


LoginBody = AuthenticationBody | PscBody


class DocumentBody(Body, frozen=True):
    """A document by its content, or by its hash where the format takes one; bytes travel as base64.

    `uri`: what a detached signature (XML, JAdES) names it by. `digestAlgorithm` sha1: for the format raw alone.
    """

    name: Name
    content: bytes | None = None
    digest: bytes | None = None
    digest_algorithm: Literal["sha256", "sha1"] | None = None
    media_type: MediaType | None = None
    uri: Uri | None = None


class PolicyBody(Body, frozen=True):
    """A signature policy: an OID or a URI, and the SHA-256 of the document that it names."""

    identifier: Uri
    digest: Annotated[bytes, Meta(min_length=32, max_length=32)]
    uri: Uri | None = None


class AppearanceBody(Body, frozen=True):
    """Where a PDF shows the signature: page from 1 (-1: the last), lower left corner and size in points."""

    page: Annotated[int, Meta(ge=-1, le=10_000)] = -1
    x: Annotated[float, Meta(ge=0, le=14_400)] = 36.0
    y: Annotated[float, Meta(ge=0, le=14_400)] = 36.0
    width: Annotated[float, Meta(ge=40, le=14_400)] = 220.0
    height: Annotated[float, Meta(ge=20, le=14_400)] = 70.0


class TermsBody(Body, frozen=True, kw_only=True):
    """How documents are to be signed.

    `detached`: the short form of `packaging` detached (true) or the format's other one (false).
    """

    format: Format
    level: Level | None = None
    packaging: Packaging | None = None
    detached: bool | None = None
    scheme: Scheme = Scheme.RS256
    serialization: Serialization | None = None
    policy: PolicyBody | None = None
    claimed_role: Line | None = None
    reason: Line | None = None
    location: Line | None = None
    field: Annotated[str, Meta(pattern=r"^[^.\x00-\x1f]{1,64}\Z")] | None = None
    appearance: AppearanceBody | None = None
    card_number: CardNumber | None = None


class SignedBody(Body, frozen=True):
    """A file with signatures; `detached_content`: what they sign, where that is a file of its own."""

    name: Name
    content: bytes | None = None
    detached_content: bytes | None = None


class VerificationBody(Body, frozen=True):
    """POST /v1/verifications, as JSON or as the part `request` of an upload whose files hold the contents.

    `anchors`: certificates, DER or PEM, that count as roots instead of those that the agent knows.
    """

    documents: Annotated[tuple[SignedBody, ...], Meta(min_length=1, max_length=MAX_DOCUMENTS)]
    anchors: Annotated[tuple[bytes, ...], Meta(max_length=MAX_ANCHORS)] = ()


class SignatureBody(TermsBody, frozen=True, kw_only=True):
    """POST /v1/signatures, as JSON or as the part `request` of an upload whose files hold the contents.

    `packaging`, or `detached` for short; what is left out is the format's usual one, and level B. `serialization`: JWS,
    JAdES. `policy`, `claimedRole`: CAdES, XAdES, JAdES. `reason`, `location`, `field`, `appearance`: PDF.
    """

    documents: Annotated[tuple[DocumentBody, ...], Meta(min_length=1, max_length=MAX_DOCUMENTS)]


class BatchDocumentBody(Body, frozen=True):
    """A document of a batch: the SHA-256 of its content, and what differs from the terms of the whole batch."""

    name: Name
    digest: Annotated[bytes, Meta(min_length=32, max_length=32)]
    size: Annotated[int, Meta(ge=0, le=UPLOAD_BODY)] | None = None
    media_type: MediaType | None = None
    uri: Uri | None = None
    format: Format | None = None
    level: Level | None = None
    packaging: Packaging | None = None


class BatchBody(TermsBody, frozen=True, kw_only=True):
    """POST /v1/batches: the manifest. Contents that the formats need follow one by one."""

    documents: Annotated[tuple[BatchDocumentBody, ...], Meta(min_length=1, max_length=MAX_BATCH)]


class StartBody(Body, frozen=True):
    """POST /v1/batches/{id}/start: nothing to say."""


class StopBody(Body, frozen=True):
    """POST /v1/batches/{id}/stop: nothing to say."""


class ImportBody(Body, frozen=True):
    """POST /v1/software-certificates: a file by its content; its passphrase is asked of the person."""

    name: Name
    content: bytes
    protection: Literal["key-store", "passphrase"] | None = None


Part = Annotated[str, Meta(min_length=1, max_length=128)]


class SubjectBody(Body, frozen=True):
    """Whom a certificate is to be for: ST (a department and its number), O, OU (IdNat_Struct) and CN."""

    place: Part
    organisation: Part
    structure_id: Part
    common_name: Part


class OrderBody(Body, frozen=True):
    """POST /v1/certificate-orders: the passphrase of the new key is asked of the person."""

    product: Annotated[str, Meta(min_length=1, max_length=64)]
    subject: SubjectBody
    protection: Literal["key-store", "passphrase"] | None = None
    replaces: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")] | None = None


class DeliveryBody(Body, frozen=True):
    """POST /v1/certificate-orders/{id}/certificate: the file as the authority sends it."""

    name: Name
    content: bytes


B = TypeVar("B", bound=Body)


async def read_body(request: web.Request, kind: type[B], cap: int = SMALL_BODY) -> B:
    """Read and parse the body. Raises UnsupportedMediaError, BodyTooLargeError, CallError."""
    if request.content_type != "application/json":
        raise UnsupportedMediaError(f"not {request.content_type!r}")
    return parse_body(await _read(request, cap), kind)


async def read_login(request: web.Request) -> LoginBody:
    """Read the body of a login, by its member `format`. Raises what `read_body` raises."""
    return await read_body(request, cast("type[AuthenticationBody | PscBody]", LoginBody))


async def _read(request: web.Request, cap: int) -> bytes:
    body = bytearray()
    async for piece in request.content.iter_chunked(64 * 1024):
        body += piece
        if len(body) > cap:
            raise BodyTooLargeError(f"this route takes {cap} bytes")
    return bytes(body)


def parse_body(body: bytes, kind: type[B]) -> B:
    """Parse JSON. Raises CallError with the member at fault."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise CallError(_explain(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CallError("the body is not JSON") from error


def _explain(message: str) -> str:
    unknown = re.search(r"unknown field `([^`]*)`", message)
    if unknown and unknown[1] in SECRET_MEMBERS:
        return "no code is ever sent through the API: the agent asks the person for it"
    return message


def document_digest(document: DocumentBody, padding: Padding = Padding.PKCS1) -> Digest:
    """The hash to sign raw. Raises CallError."""
    if document.digest is None or document.digest_algorithm is None or document.content is not None:
        raise CallError("format raw takes documents with digest and digestAlgorithm, without content")
    if len(document.digest) != HASH_LENGTHS[document.digest_algorithm]:
        raise CallError(f"the digest is not a {document.digest_algorithm} value")
    return Digest(document.digest_algorithm, document.digest, padding)
