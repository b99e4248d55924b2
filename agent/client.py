"""Typed client of the local API, for the command line, the tray and the tests: one call, one answer or one error."""

from __future__ import annotations

import base64
import http.client
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from agent.sending import FileChangedError, FileUpload, SignOptions, ToSign, ToVerify, Upload, given, to_base64

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

HOST = "127.0.0.1"
TIMEOUT_S = 180.0  # longer than a person is given to answer a dialog
TOKEN_FILE, PORT_FILE = "token", "port"
MAX_FILE = 256
MAX_PORT_DIGITS = 5
OPEN_S = 10.0  # for the event stream to open
MAX_EVENT = 1024 * 1024
MAX_ANSWER = 64 * 1024 * 1024  # 16 MB to sign, handed back in base64 inside a signature, in base64
PROBLEM = "application/problem+json"
STRANGER = "something else than the agent answers on its port"

Json = dict[str, Any]


class AgentUnreachableError(Exception):
    """No agent answers for this data folder."""


class AgentProblemError(Exception):
    """The agent refused or failed; `problem` is its problem document (RFC 9457)."""

    def __init__(self, problem: Json) -> None:
        super().__init__(str(problem.get("detail", problem)))
        self.problem = problem
        self.status = int(problem.get("status", 0))
        self.code = str(problem.get("code", ""))
        self.tries_left: int | None = problem.get("triesLeft")


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """A signature as the API gives it, decoded."""

    name: str
    content: bytes
    certificate_der: bytes


class Client:
    """Talk to the agent of one data folder, over one kept connection. `token` is the local token of its run."""

    def __init__(self, port: int, token: str, timeout_s: float = TIMEOUT_S) -> None:
        self.port = port
        self.token = token
        self._connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)

    @classmethod
    def of(cls, data_dir: Path, timeout_s: float = TIMEOUT_S) -> Client:
        """Find the agent that runs with this data folder. Raises AgentUnreachableError."""
        try:
            port = int(read_own(data_dir / PORT_FILE)[:MAX_PORT_DIGITS])
            token = read_own(data_dir / TOKEN_FILE)
        except (OSError, ValueError) as error:
            raise AgentUnreachableError(f"no agent runs with the data folder {data_dir}") from error
        return cls(port, token, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def status(self) -> Json:
        """GET /v1/status."""
        return self.request("GET", "/v1/status")

    def cards(self) -> list[Json]:
        """GET /v1/cards."""
        return list(self.request("GET", "/v1/cards")["cards"])

    def situations(self, card_number: str) -> list[Json]:
        """POST /v1/cards/{number}/situations; the agent asks for the code itself."""
        return list(self.request("POST", f"/v1/cards/{quote(card_number, safe='')}/situations", {})["situations"])

    def certificates(self) -> list[Json]:
        """GET /v1/certificates."""
        return list(self.request("GET", "/v1/certificates")["certificates"])

    def directory(self, rpps: str) -> Json:
        """GET /v1/directory/{rpps}."""
        return self.request("GET", f"/v1/directory/{quote(rpps, safe='')}")

    def means(self) -> list[Json]:
        """GET /v1/means."""
        return list(self.request("GET", "/v1/means")["bearers"])

    def forget_certificates(self) -> dict[str, int]:
        """DELETE /v1/certificates/cache: forget known cards and certificates. Gives how many of each."""
        return dict(self.request("DELETE", "/v1/certificates/cache")["forgotten"])

    def software_certificates(self) -> Json:
        """GET /v1/software-certificates: those that are kept, and the ids of damaged ones."""
        return self.request("GET", "/v1/software-certificates")

    def import_certificate(self, name: str, content: bytes, protection: str | None = None) -> list[Json]:
        """POST /v1/software-certificates; the agent asks for the file's passphrase itself."""
        body = given(name=name, content=to_base64(content), protection=protection)
        return list(self.request("POST", "/v1/software-certificates", body)["certificates"])

    def remove_certificate(self, target: str) -> None:
        """DELETE /v1/software-certificates/{id}: an entry by its id, or all of a number."""
        self.request("DELETE", f"/v1/software-certificates/{quote(target, safe='')}")

    def certificate_products(self) -> list[Json]:
        """GET /v1/certificate-products."""
        return list(self.request("GET", "/v1/certificate-products")["products"])

    def certificate_orders(self) -> Json:
        """GET /v1/certificate-orders: orders, damaged ones, and renewals."""
        return self.request("GET", "/v1/certificate-orders")

    def order_certificate(
        self, product: str, subject: Mapping[str, str], protection: str | None = None, replaces: str | None = None
    ) -> Json:
        """POST /v1/certificate-orders; the order with its request."""
        body = given(product=product, subject=dict(subject), protection=protection, replaces=replaces)
        return self.request("POST", "/v1/certificate-orders", body)

    def deliver_certificate(self, order_id: str, name: str, content: bytes) -> list[Json]:
        """POST /v1/certificate-orders/{id}/certificate."""
        body = {"name": name, "content": to_base64(content)}
        path = f"/v1/certificate-orders/{quote(order_id, safe='')}/certificate"
        return list(self.request("POST", path, body)["certificates"])

    def cancel_order(self, order_id: str) -> None:
        """DELETE /v1/certificate-orders/{id}."""
        self.request("DELETE", f"/v1/certificate-orders/{quote(order_id, safe='')}")

    def grants(self) -> list[Json]:
        """GET /v1/grants."""
        return list(self.request("GET", "/v1/grants")["grants"])

    def grant(self, abilities: Sequence[str]) -> Json:
        """POST /v1/grants."""
        return self.request("POST", "/v1/grants", {"abilities": list(abilities)})

    def revoke(self, grant_id: str) -> None:
        """DELETE /v1/grants/{id}."""
        self.request("DELETE", f"/v1/grants/{grant_id}")

    def journal(self, limit: int = 100) -> list[Json]:
        """GET /v1/journal, newest first."""
        return list(self.request("GET", f"/v1/journal?limit={limit}")["entries"])

    def pin(self, verb: str, card_number: str | None = None) -> Json:
        """POST /v1/pin/{verify,change,unblock}; the agent asks for the codes itself."""
        return self.request("POST", f"/v1/pin/{verb}", given(cardNumber=card_number))

    def lock(self) -> int:
        """POST /v1/pin/lock: end every PIN session. Gives their number."""
        return int(self.request("POST", "/v1/pin/lock", {})["ended"])

    def denials(self) -> int:
        """GET /v1/denials: how many refused callers may not ask again for a while."""
        return int(self.request("GET", "/v1/denials")["count"])

    def allow_questions(self) -> None:
        """DELETE /v1/denials: let them ask again."""
        self.request("DELETE", "/v1/denials")

    def events(self) -> EventStream:
        """WS /v1/events: the present state, then what happens. Raises AgentProblemError, AgentUnreachableError."""
        from websockets.exceptions import InvalidStatus, WebSocketException  # noqa: PLC0415 - the desktop extra
        from websockets.sync.client import connect  # noqa: PLC0415

        try:
            return EventStream(
                connect(
                    f"ws://{HOST}:{self.port}/v1/events",
                    additional_headers={"Authorization": f"Bearer {self.token}"},
                    proxy=None,  # whatever the environment says: this is the loopback
                    compression=None,
                    open_timeout=OPEN_S,
                    close_timeout=1,
                    max_size=MAX_EVENT,
                )
            )
        except InvalidStatus as error:
            _parse(error.response.status_code, bytes(error.response.body or b""))
            raise AgentUnreachableError(STRANGER) from error
        except (OSError, ValueError, WebSocketException) as error:
            raise AgentUnreachableError(f"the agent does not answer on port {self.port}: {error}") from error

    def authenticate(self, origin: str, challenge_nonce: str, card_number: str | None = None) -> Json:
        """POST /v1/authentications: a Web eID token for the site that this program speaks for."""
        body = given(format="web-eid:1.0", challengeNonce=challenge_nonce, origin=origin, cardNumber=card_number)
        return self.request("POST", "/v1/authentications", body)

    def sign(
        self,
        documents: Sequence[ToSign | tuple[str, bytes]],
        options: SignOptions | None = None,
        card_number: str | None = None,
    ) -> list[SignedDocument]:
        """POST /v1/signatures: one signature each, or one for all where the format joins them; CMS without options.

        Files are sent as they are read. Raises OSError and FileChangedError for them.
        """
        listed = [each if isinstance(each, ToSign) else ToSign(*each) for each in documents]
        body = (options or SignOptions()).to_json() | given(cardNumber=card_number)
        body["documents"] = [each.to_json() for each in listed]
        files = [each.source for each in listed if isinstance(each.source, Path)]
        return _signatures(self._upload("/v1/signatures", Upload(body, files)) if files else self._sign(body))

    def _sign(self, body: Json) -> Json:
        return self.request("POST", "/v1/signatures", body)

    def sign_raw(
        self, digests: Sequence[tuple[str, bytes]], algorithm: str = "sha256", card_number: str | None = None
    ) -> list[SignedDocument]:
        """POST /v1/signatures with hash values."""
        listed = [{"name": name, "digest": to_base64(value), "digestAlgorithm": algorithm} for name, value in digests]
        return _signatures(self._sign(given(format="raw", documents=listed, cardNumber=card_number)))

    def verify(self, documents: Sequence[ToVerify], anchors: Sequence[bytes] = ()) -> list[Json]:
        """POST /v1/verifications: each document with its signatures. Raises OSError and FileChangedError for files."""
        body = {
            "documents": [each.to_json() for each in documents],
            "anchors": [to_base64(anchor) for anchor in anchors],
        }
        files = [file for each in documents for file in each.list_files()]
        if not files:
            return list(self.request("POST", "/v1/verifications", body)["documents"])
        upload = Upload(body, [path for _, path in files], [name for name, _ in files])
        return list(self._upload("/v1/verifications", upload)["documents"])

    def make_batch(
        self, documents: Sequence[ToSign], options: Mapping[str, Any] | None = None, card_number: str | None = None
    ) -> Json:
        """POST /v1/batches: documents by their hashes, which stand for them until the end."""
        listed = [each.to_json() for each in documents]
        for each in listed:
            each.pop("digestAlgorithm", None)
        body = {"format": "cms", **(options or {}), "documents": listed} | given(cardNumber=card_number)
        return self.request("POST", "/v1/batches", body)

    def add_to_batch(self, batch_id: str, place: int, path: Path) -> None:
        """PUT /v1/batches/{id}/documents/{n}: the content, sent as it is read. Raises OSError, FileChangedError."""
        file = FileUpload(path)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.length)}
        self._exchange("PUT", f"/v1/batches/{batch_id}/documents/{place}", file, headers)

    def start_batch(self, batch_id: str) -> Json:
        """POST /v1/batches/{id}/start; the agent asks for the code itself, and signs in the background."""
        return self.request("POST", f"/v1/batches/{batch_id}/start", {})

    def stop_batch(self, batch_id: str) -> Json:
        """POST /v1/batches/{id}/stop."""
        return self.request("POST", f"/v1/batches/{batch_id}/stop", {})

    def batches(self) -> list[Json]:
        """GET /v1/batches: this program's own."""
        return list(self.request("GET", "/v1/batches")["batches"])

    def batch(self, batch_id: str) -> Json:
        """GET /v1/batches/{id}: document by document."""
        return self.request("GET", f"/v1/batches/{batch_id}")

    def batch_signature(self, batch_id: str, place: int) -> SignedDocument:
        """GET /v1/batches/{id}/documents/{n}."""
        return _signature(self.request("GET", f"/v1/batches/{batch_id}/documents/{place}"))

    def cancel_batch(self, batch_id: str) -> None:
        """DELETE /v1/batches/{id}."""
        self.request("DELETE", f"/v1/batches/{batch_id}")

    def request(self, method: str, path: str, body: Json | None = None) -> Json:
        """Exchange one request. Raises AgentProblemError, AgentUnreachableError."""
        headers = {} if body is None else {"Content-Type": "application/json"}
        return self._exchange(method, path, None if body is None else json.dumps(body), headers)

    @contextmanager
    def stream(
        self, method: str, path: str, content: Iterable[bytes] | None, headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        """Exchange one request whose answer the caller reads as it comes; the connection is closed behind it.

        Raises AgentProblemError for the agent's own refusals, AgentUnreachableError.
        """
        try:
            response = self._begin(method, path, content, headers)
            own = response.headers["Content-Disposition"] is None  # what a service answers is given as an attachment
            if own and response.status >= 400 and response.headers.get_content_type() == PROBLEM:
                _parse(response.status, response.read(MAX_ANSWER))
            yield response
        finally:
            self.close()

    def _upload(self, path: str, upload: Upload) -> Json:
        headers = {"Content-Type": upload.content_type, "Content-Length": str(upload.length)}
        return self._exchange("POST", path, upload, headers)

    def _exchange(
        self, method: str, path: str, content: str | Iterable[bytes] | None, headers: Mapping[str, str]
    ) -> Json:
        response = self._begin(method, path, content, headers)
        try:
            answer = response.read(MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise AgentUnreachableError(f"the agent does not answer on port {self.port}: {error}") from error
        if len(answer) > MAX_ANSWER:
            self.close()
            raise AgentUnreachableError(STRANGER)
        return _parse(response.status, answer)

    def _begin(
        self, method: str, path: str, content: str | Iterable[bytes] | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        """Send a request, and read the head of its answer."""
        try:
            self._send(method, path, content, headers)
            return self._connection.getresponse()
        except FileChangedError:
            self.close()
            raise
        except (OSError, OverflowError, http.client.HTTPException) as error:  # no such port, nobody there, no HTTP
            self.close()
            raise AgentUnreachableError(f"the agent does not answer on port {self.port}: {error}") from error

    def _send(self, method: str, path: str, content: str | Iterable[bytes] | None, headers: Mapping[str, str]) -> None:
        headers = {"Authorization": f"Bearer {self.token}", **headers}
        try:
            self._connection.request(method, path, content, headers)
        except (BrokenPipeError, ConnectionResetError):
            if content is None or isinstance(content, str):
                raise
            # the agent refuses what it need not read to its end; its answer says why


class EventStream:
    """What the agent tells, message by message, until it ends; close() may come from another thread."""

    def __init__(self, connection: ClientConnection) -> None:
        self._closing = ExitStack()
        self._connection = self._closing.enter_context(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Json]:
        """Give each message. Raises AgentUnreachableError when the agent closes the line or is gone."""
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415

        try:
            for message in self._connection:
                yield dict(json.loads(message))
        except (ConnectionClosed, ValueError, TypeError) as error:  # ValueError, TypeError: no JSON object
            raise AgentUnreachableError(f"the event stream broke: {error}") from error
        raise AgentUnreachableError("the agent has ended the event stream")

    def close(self) -> None:
        """End the stream."""
        self._closing.close()


def read_own(path: Path) -> str:
    """Read a short file of this user. Raises OSError for a link and for a file of somebody else."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, encoding="ascii") as file:
        if hasattr(os, "geteuid") and os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError(f"{path} belongs to another user")
        return file.read(MAX_FILE).strip()


def _parse(status: int, answer: bytes) -> Json:
    if status == 204:
        return {}
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise AgentUnreachableError(STRANGER) from error
    if not isinstance(document, dict) or not isinstance(document.get("status", 0), int):
        raise AgentUnreachableError(STRANGER)
    if status >= 400:
        raise AgentProblemError(document)
    return document


def _signatures(answer: Json) -> list[SignedDocument]:
    return [_signature(each) for each in answer["signatures"]]


def _signature(answer: Json) -> SignedDocument:
    content, certificate_der = (base64.b64decode(answer[name]) for name in ("content", "certificate"))
    return SignedDocument(answer["name"], content, certificate_der)
