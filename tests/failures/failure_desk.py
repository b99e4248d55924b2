"""Everything that the API does with a card, on a running agent whose reader fails when told."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from asn1crypto import cms
from failure_cards import BLOCKED, NEW_PIN, PIN, PIN_TRIES, PUK, PUK_TRIES, FaultyReaders, RamCard, blank, fresh_codes
from failure_operations import AUTHENTICATION, SIGNATURE, verify_signature
from support.agent import NONCE, PAGE, Answer, Person, RunningAgent

from agent.people.prompt import PinAnswer, PinKind, PinRequest
from drivers.virtual.personalisation import DEFAULT

ABILITIES = {"abilities": ["identity", "authenticate", "sign", "events"]}
CONTENT = b"ordonnance"
DIGEST = hashlib.sha256(CONTENT).digest()


class Holder(Person):
    """Somebody who types the right code of each kind."""

    async def ask_pin(self, request: PinRequest) -> PinAnswer:
        self.pin = PUK if request.kind is PinKind.UNBLOCK else PIN
        self.new_pin = NEW_PIN
        return await super().ask_pin(request)


@dataclass
class FaultyDesk:
    """A running agent, with a page that was granted everything, and its reader."""

    agent: RunningAgent
    readers: FaultyReaders
    card: RamCard
    insertions: int = 0

    @property
    def present(self) -> RamCard:
        """The card in the reader."""
        assert self.readers.reader.card is not None
        return self.readers.reader.card

    @property
    def closed(self) -> bool:
        """Whether the card, and one that came in its place, stand closed."""
        return not any(card.verified for card in (self.card, self.readers.reader.card) if card is not None)

    def renew(self) -> None:
        """Put everything in order: the card is back, with the codes that it was made with."""
        self.readers.begin(None)
        self.card.memory.codes = fresh_codes()
        if self.readers.reader.card is not self.card:
            self.readers.insert(self.card)

    def insert_unknown(self) -> None:
        """A card that the agent has never seen."""
        self.insertions += 1
        self.card = RamCard(replace(DEFAULT, serial=f"{int(DEFAULT.serial) + self.insertions:0{len(DEFAULT.serial)}}"))
        self.readers.insert(self.card)


Call = Callable[[FaultyDesk], Awaitable[Answer]]
Check = Callable[[FaultyDesk, Answer], None]


def _nothing(desk: FaultyDesk) -> None:
    pass


@dataclass(frozen=True)
class Request:
    """`parts`: the operations of drivers.card that it is made of, in order. `action`: its name in the journal."""

    name: str
    call: Call
    check: Check
    parts: Sequence[str]
    action: str
    prepare: Callable[[FaultyDesk], None] = _nothing
    before: Callable[[FaultyDesk], None] = _nothing


def _page(method: str, path: str, body: object = None) -> Call:
    return lambda desk: desk.agent.page(method, path, body)


def _signature_certificate() -> bytes:
    return blank().certificates[SIGNATURE]


def _lists_card(desk: FaultyDesk, answer: Answer) -> None:
    (card,) = answer.body["cards"]
    assert card["number"] == desk.card.serial
    assert card["pin"] in (None, {"state": "ready", "triesLeft": PIN_TRIES})


def _lists_certificates(desk: FaultyDesk, answer: Answer) -> None:
    listed = {base64.b64decode(entry["certificate"]) for entry in answer.body["certificates"]}
    assert listed == set(blank().certificates.values())


def _is_token(desk: FaultyDesk, answer: Answer) -> None:
    certificate = base64.b64decode(answer.body["unverifiedCertificate"])
    assert certificate == blank().certificates[AUTHENTICATION]
    message = hashlib.sha256(PAGE.encode()).digest() + hashlib.sha256(NONCE.encode()).digest()
    verify_signature(certificate, base64.b64decode(answer.body["signature"]), message=message)


def _is_cms(count: int) -> Check:
    def check(desk: FaultyDesk, answer: Answer) -> None:
        assert len(answer.body["signatures"]) == count
        for signature in answer.body["signatures"]:
            signed = cms.ContentInfo.load(base64.b64decode(signature["content"]))["content"]
            (signer,) = signed["signer_infos"]
            attributes = {each["type"].native: each["values"][0].native for each in signer["signed_attrs"]}
            assert attributes["message_digest"] == DIGEST
            assert signed["certificates"][0].chosen.dump() == _signature_certificate()
            message = signer["signed_attrs"].untag().dump()
            verify_signature(_signature_certificate(), signer["signature"].native, message=message)

    return check


def _is_raw(desk: FaultyDesk, answer: Answer) -> None:
    (signature,) = answer.body["signatures"]
    verify_signature(_signature_certificate(), base64.b64decode(signature["content"]), message=CONTENT)


def _has_code(digits: str) -> Check:
    def check(desk: FaultyDesk, answer: Answer) -> None:
        assert desk.present.memory.codes.pin.digits == digits
        assert desk.present.tries == (PIN_TRIES, PUK_TRIES)
        assert answer.body["pin"] == {"state": "ready", "triesLeft": PIN_TRIES}

    return check


def _documents(count: int) -> dict[str, object]:
    content = base64.b64encode(CONTENT).decode()
    return {"format": "cms", "documents": [{"name": f"{n}.pdf", "content": content} for n in range(count)]}


RAW = {
    "format": "raw",
    "documents": [{"name": "d", "digest": base64.b64encode(DIGEST).decode(), "digestAlgorithm": "sha256"}],
}
LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}


def _block(desk: FaultyDesk) -> None:
    desk.card.memory.codes = BLOCKED


def _insert_again(desk: FaultyDesk) -> None:
    desk.readers.insert(desk.card)


LOOK, SIGN = "read tries", "sign signature sha256"
REQUESTS = [
    Request("cards", _page("GET", "/v1/cards"), _lists_card, [LOOK], "read-cards"),
    Request(
        "certificates of a known card", _page("GET", "/v1/certificates"), _lists_certificates, ["open known"],
        "list-certificates", before=_insert_again,
    ),
    Request(
        "certificates of a new card", _page("GET", "/v1/certificates"), _lists_certificates, ["first read"],
        "list-certificates", before=FaultyDesk.insert_unknown,
    ),
    Request(
        "authentication", _page("POST", "/v1/authentications", LOGIN), _is_token,
        [LOOK, "sign authentication sha256"], "authenticate",
    ),
    Request("signature cms", _page("POST", "/v1/signatures", _documents(1)), _is_cms(1), [LOOK, SIGN], "sign"),
    Request(
        "signature of two documents", _page("POST", "/v1/signatures", _documents(2)), _is_cms(2), [LOOK, "sign two"],
        "sign",
    ),
    Request(
        "signature raw", lambda desk: desk.agent.program("POST", "/v1/signatures", RAW), _is_raw, [LOOK, SIGN], "sign"
    ),
    Request("pin verify", _page("POST", "/v1/pin/verify", {}), _has_code(PIN), [LOOK, "verify", LOOK], "verify-pin"),
    Request("pin change", _page("POST", "/v1/pin/change", {}), _has_code(NEW_PIN), [LOOK, "change", LOOK], "change-pin"),
    Request(
        "pin unblock", _page("POST", "/v1/pin/unblock", {}), _has_code(NEW_PIN), [LOOK, "unblock", LOOK], "unblock-pin",
        _block,
    ),
]  # fmt: skip
