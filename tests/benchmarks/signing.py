"""Documents per second in each format, beside the same libraries with a key in a file, both in one batch."""

from __future__ import annotations

import base64
import hashlib
import importlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchmarks.bench import Bench, RunningAgent, running_agent
from benchmarks.table import Row, Value
from support.signing_keys import SigningKey
from support.waiting import wait_until

from agent.api.schemas import TermsBody
from agent.api.terms import read_terms
from agent.client import Json
from agent.signing.documents import Document
from agent.signing.kinds import KINDS
from agent.signing.preparation import Outside
from agent.signing.words import Format

COUNT = 200
XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<cr xmlns="urn:example"><texte n="%d">Compte rendu</texte></cr>\n'
PDF_OBJECTS = (
    b"<< /Type /Catalog /Pages 2 0 R >>",
    b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
)


@dataclass(frozen=True)
class Contender:
    """A format with its terms, and the documents that it is given."""

    format: Format
    packaging: str
    contents: Sequence[bytes]

    @property
    def body(self) -> Json:
        """The terms as the API takes them."""
        return {"format": str(self.format), "packaging": self.packaging}


def measure(bench: Bench) -> list[Row]:
    """A row for each format."""
    bench.say("documents per second in each format")
    data_dir = bench.data_folder("signing")
    key = SigningKey.of_card(data_dir)
    with running_agent(data_dir, "--virtual", "--unattended") as agent:
        agent.wait_for_card()
        return [_compare(agent, key, contender) for contender in _list(bench)]


def _compare(agent: RunningAgent, key: SigningKey, contender: Contender) -> Row:
    """Both, after a few that are not counted: what a format imports is imported once."""
    few = replace(contender, contents=contender.contents[:2])
    _sign_batch(agent, few)
    _sign_alone(key, few)
    return _row(contender, _sign_batch(agent, contender), _sign_alone(key, contender))


def _list(bench: Bench) -> Iterable[Contender]:
    texts = [b"ordonnance %d" % number for number in range(bench.count(COUNT))]
    trees = [XML % number for number in range(bench.count(COUNT))]
    pages = [make_pdf(number) for number in range(bench.count(COUNT))]
    chosen = (
        (Format.CMS, "detached", texts),
        (Format.CADES, "enveloping", texts),
        (Format.XMLDSIG, "enveloped", trees),
        (Format.XADES, "enveloped", trees),
        (Format.ASIC_E, "enveloping", texts),
        (Format.PADES, "enveloped", pages),
        (Format.JWS, "enveloping", texts),
        (Format.JADES, "detached", texts),
    )
    return [Contender(*each) for each in chosen if str(each[0]) in KINDS]


def _sign_batch(agent: RunningAgent, contender: Contender) -> float:
    """Documents per second, from the start of the batch to its end: consent, code and card among it."""
    client = agent.client
    documents = [
        {"name": f"{number}", "digest": base64.b64encode(hashlib.sha256(content).digest()).decode()}
        for number, content in enumerate(contender.contents)
    ]
    batch = client.request("POST", "/v1/batches", contender.body | {"documents": documents})
    path = f"/v1/batches/{batch['id']}"
    for number, document in enumerate(client.request("GET", path)["documents"]):
        if document["needsContent"]:
            put(agent, f"{path}/documents/{number}", contender.contents[number])
    began = time.perf_counter()
    client.request("POST", f"{path}/start", {})
    ended = wait_for_end(agent, path)
    took_s = time.perf_counter() - began
    if ended["signed"] != len(contender.contents):
        raise RuntimeError(f"{contender.format}: {ended}")
    client.request("DELETE", path)
    return len(contender.contents) / took_s


def put(agent: RunningAgent, path: str, content: bytes) -> None:
    """One content of a batch."""
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(content))}
    agent.client._exchange("PUT", path, [content], headers)


def wait_for_end(agent: RunningAgent, path: str, timeout_s: float = 300) -> Json:
    """The batch once it has stopped."""
    ended: Json = {}

    def is_over() -> bool:
        batches = agent.client.request("GET", "/v1/batches")["batches"]
        ended.update(next(each for each in batches if path.endswith(each["id"])))
        return ended["state"] in ("done", "paused")

    wait_until(is_over, "the batch", timeout_s)
    return ended


def _sign_alone(key: SigningKey, contender: Contender) -> float:
    """The same modules in this process, and a key in memory: no person, no card, no other process."""
    kind = importlib.import_module(KINDS[str(contender.format)])
    terms = read_terms(TermsBody(format=contender.format, packaging=contender.body["packaging"]))
    began = time.perf_counter()
    for number, content in enumerate(contender.contents):
        (unsigned,) = kind.prepare([Document.of(f"{number}", content)], terms, key.signer(), Outside())
        key.complete(unsigned)
    return len(contender.contents) / (time.perf_counter() - began)


def make_pdf(number: int) -> bytes:
    """A PDF of one empty page, with its number in a comment."""
    content, offsets = b"%PDF-1.7\n% " + b"%d\n" % number, []
    for place, body in enumerate(PDF_OBJECTS, 1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%b\nendobj\n" % (place, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    xref = b"xref\n0 %d\n0000000000 65535 f \n%b" % (len(offsets) + 1, table)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(offsets) + 1, len(content))
    return content + xref + trailer


def _row(contender: Contender, ours: float, theirs: float) -> Row:
    name = f"batch: {contender.format}, {contender.packaging}"
    beside = "the same libraries, a key in memory"
    return Row(name, (Value(ours, "documents/s"),), beside, (Value(theirs, "documents/s"),))
