"""Attacks by a PKCS#11 module: its worker answers with lies, takes codes for itself, and claims to be the card."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support import lying_worker
from support.agent import NONCE, Answer, Person, RunningAgent, running_agent
from support.journal import latest_use
from support.openssl import verify_token, write_chain

from agent.daemon import Daemon
from agent.people.prompt import PinRequest
from agent.people.wire import Envelope, read_envelope, write_envelope
from drivers.base import KeyRole
from drivers.pkcs11 import locations, wire
from drivers.pkcs11.workers import ModuleWorkers
from drivers.virtual.link import VirtualReaders, reader_name
from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.store import open_card

LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}
SIGN = {"format": "cms", "documents": [{"name": f"{number}.txt", "content": "AAAA"} for number in range(3)]}
ALL = {"abilities": ["identity", "authenticate", "sign"]}
HOSTILE = "\x1b[2J\u202e<b>\nPIN:"
KEY_IDS = {KeyRole.AUTHENTICATION: b"\x02", KeyRole.SIGNATURE: b"\x01"}


def text(message: wire.Answer) -> str:
    return msgspec.json.encode(message).decode()


STATUS = wire.TokenStatus(count_low=False, final_try=False, locked=False, initialized=True)


class LyingModule:
    """A module file for the lying worker; at first it is honest, with the keys of the test card."""

    def __init__(self, path: Path, card: Path) -> None:
        self.path = path
        self.card = card
        self.told: dict[str, Any] = {}
        self.certificates = {role: next(card.glob(f"{role}-*.der")).read_bytes() for role in KeyRole}
        self.show()
        self.tell("read-status", text(STATUS))
        self.tell("check-pin", text(wire.Done()))
        self.tell("change-pin", text(wire.Done()))
        self.tell("unblock-pin", text(wire.Done()))
        self.sign_with(KeyRole.AUTHENTICATION)

    def show(self, label: str = "CPS", serial: str = "12345678", *, reader: str | None = None) -> None:
        """List one token: in that reader, or in a slot of the module's own."""
        state = wire.SlotState(1, reader or "slot", reader is not None, label, serial)
        found = [wire.CertificateObject(KEY_IDS[role], label, der) for role, der in self.certificates.items()]
        self.tell("list-slots", text(wire.Slots("", [state])))
        self.tell("open-token", text(wire.Opened(label, serial, "model", True, found)))

    def sign_with(self, role: KeyRole) -> None:
        self.tell("sign", {"key": str(self.card / f"{role}.key.pem")})

    def tell(self, request: str, answer: str | dict[str, str]) -> None:
        self.told[request] = answer
        self.path.write_text(json.dumps(self.told))

    def asked(self) -> list[str]:
        """What the worker was asked since the last time: names, and how many codes came with each."""
        asked = self.path.with_suffix(".asked")
        lines = asked.read_text().splitlines() if asked.exists() else []
        asked.unlink(missing_ok=True)
        return lines

    def codes(self) -> int:
        """How many codes the worker was given since the last time."""
        return sum(int(line.split()[1]) for line in self.asked())


@pytest.fixture
def module(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LyingModule:
    """A module in this process's agents, whose workers are the lying one."""
    monkeypatch.setattr(locations, "LINUX", ())  # no other module
    command = (sys.executable, str(Path(lying_worker.__file__)))
    monkeypatch.setattr(
        Daemon, "_module_workers", lambda self: ModuleWorkers(named=self.settings.modules, command=command)
    )
    return LyingModule(tmp_path / "module.so", folder / "virtual" / "cards" / DEFAULT.serial)


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.fixture
def card(folder: Path) -> Iterator[VirtualReaders]:
    with open_card(folder) as card:
        yield VirtualReaders([card])


def agent_with(folder: Path, person: Person, module: LyingModule, readers: VirtualReaders | None = None, **more: Any):
    return running_agent(folder, person, readers or VirtualReaders([None]), modules=(module.path,), **more)


def pins(person: Person) -> list[PinRequest]:
    return [request for request in person.asked if isinstance(request, PinRequest)]


async def use(agent: RunningAgent, path: str, body: dict[str, Any]) -> Answer:
    """A page's request, once everything is granted."""
    await agent.page("POST", "/v1/grants", ALL)
    return await agent.page("POST", path, body)


async def still_serves(agent: RunningAgent) -> bool:
    return (await agent.program("GET", "/v1/status")).status == 200


async def test_the_lying_worker_can_be_honest(
    folder: Path, person: Person, module: LyingModule, tmp_path: Path
) -> None:
    """Else nothing that follows proves anything."""
    async with agent_with(folder, person, module) as agent:
        write_chain(tmp_path, (await agent.ask(lambda client: client.certificates()))[0])
        answer = await use(agent, "/v1/authentications", LOGIN)
        verify_token(tmp_path, answer.body, "https://dmp.example", NONCE)
    assert module.codes() == 1


NONSENSE = {
    "nothing": "",
    "no JSON": "{",
    "deep": "[" * 100_000,
    "unknown": '{"message":"evil"}',
    "code": '{"message":"done","pin":"1234"}',
    "list": "[1]",
    "another": text(wire.Data([])),
    "huge": '{"message":"failed","error":"' + "x" * 3_000_000 + '"}',
}


@pytest.mark.parametrize("request_name", ["list-slots", "open-token", "read-status", "sign"])
@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_attack_answers_that_make_no_sense_cost_one_request(
    folder: Path, person: Person, module: LyingModule, request_name: str, nonsense: str
) -> None:
    module.tell(request_name, NONSENSE[nonsense])
    async with agent_with(folder, person, module) as agent:
        answer = await use(agent, "/v1/authentications", LOGIN)
        assert answer.code in ("module-crashed", "card-absent")
        assert await still_serves(agent)
    assert module.codes() == len(pins(person)) <= 1


@pytest.mark.parametrize("lie", ["another key", "another message", "empty", "short", "zeroes", "long"])
async def test_attack_wrong_signatures_never_leave(folder: Path, person: Person, module: LyingModule, lie: str) -> None:
    values = {"empty": b"", "short": b"\x01" * 100, "zeroes": bytes(256), "long": b"\x01" * 100_000}
    if lie == "another key":
        module.sign_with(KeyRole.SIGNATURE)
    elif lie == "another message":
        other = wire.Sign(1, b"", [b"0" * 51])
        module.tell("sign", lying_worker.answer(module.told["sign"], other).decode())
    else:
        module.tell("sign", text(wire.Signatures([values[lie]])))
    async with agent_with(folder, person, module) as agent:
        answer = await use(agent, "/v1/authentications", LOGIN)
        assert (answer.status, answer.code) == (409, "card-unknown")
        assert "signature" not in answer.body
        entry = await agent.ask(latest_use)
        assert entry["outcome"] == "card-unknown"
    assert module.codes() == 1


async def test_attack_a_module_that_refuses_every_code_gets_one_for_each_that_a_person_types(
    folder: Path, person: Person, module: LyingModule
) -> None:
    """A batch stops at the first refusal, and no code is sent again by the agent itself."""
    for error in ("PinIncorrect", "GeneralError", "DeviceRemoved", "SessionHandleInvalid", "UserNotLoggedIn", "0xdead"):
        module.tell("sign", text(wire.Failed(error, "C_Login", STATUS)))
        person.asked.clear()
        async with agent_with(folder, person, module) as agent:
            answer = await use(agent, "/v1/signatures", SIGN)
            assert answer.status >= 400
        assert module.codes() == len(pins(person)) == 1, error


async def test_attack_a_key_given_up_gets_no_second_code(folder: Path, person: Person, module: LyingModule) -> None:
    module.tell("sign", text(wire.Failed("MechanismInvalid", "C_Sign")))
    async with agent_with(folder, person, module) as agent:
        for _ in range(3):
            answer = await use(agent, "/v1/signatures", SIGN)
            assert (answer.code, answer.body["layer"]) == ("not-supported", "middleware")
    assert module.codes() == len(pins(person)) == 1


async def test_attack_words_of_a_module_are_plain_in_dialog_and_journal(
    folder: Path, person: Person, module: LyingModule
) -> None:
    module.show(HOSTILE, HOSTILE[:8])
    async with agent_with(folder, person, module) as agent:
        assert (await use(agent, "/v1/authentications", LOGIN)).status == 200
        journal = json.dumps(await agent.ask(lambda client: client.journal()), ensure_ascii=False)
    shown = read_envelope(write_envelope(Envelope(person.asked[-1]))).question
    for words in (shown.card.number, shown.card.holder, journal):
        assert all(character.isprintable() for character in words), words


async def test_attack_words_of_a_refusal_do_not_reach_the_caller(
    folder: Path, person: Person, module: LyingModule
) -> None:
    module.tell("sign", text(wire.Failed("secret", "/root/secret")))
    async with agent_with(folder, person, module) as agent:
        answer = await use(agent, "/v1/authentications", LOGIN)
        assert "secret" not in json.dumps(answer.body)
        assert "secret" not in json.dumps(await agent.ask(lambda client: client.journal()))


@pytest.mark.parametrize("kind", ["garbage", "authority", "none"])
async def test_attack_certificates_that_are_none_make_no_card(
    folder: Path, person: Person, module: LyingModule, kind: str
) -> None:
    authority = (folder / "virtual" / "pki").glob("*.der")
    module.certificates = {
        "garbage": dict.fromkeys(KeyRole, b"\x30\x03abc"),
        "authority": dict.fromkeys(KeyRole, next(authority, b"\x30\x00")),
        "none": {},
    }[kind]
    module.show()
    async with agent_with(folder, person, module) as agent:
        assert (await use(agent, "/v1/authentications", LOGIN)).code == "card-unknown"
        assert await still_serves(agent)
    assert module.codes() == 0


@pytest.mark.parametrize("serial", [DEFAULT.serial, f"000001{DEFAULT.serial}7F"])
async def test_attack_a_module_that_claims_the_number_of_a_card_in_a_reader_is_not_asked(
    folder: Path, person: Person, module: LyingModule, card: VirtualReaders, serial: str
) -> None:
    """The card is there once, and the direct way is taken: the module never sees its code."""
    module.show(serial=serial)
    async with agent_with(folder, person, module, card) as agent:
        assert [each["number"] for each in await agent.ask(lambda client: client.cards())] == [DEFAULT.serial]
        assert (await use(agent, "/v1/authentications", LOGIN)).status == 200
        assert (await use(agent, "/v1/signatures", SIGN)).status == 200
    assert len(pins(person)) == 2
    assert module.codes() == 0


async def test_attack_unattended_codes_go_to_no_token_of_a_foreign_root(
    folder: Path, module: LyingModule, tmp_path: Path
) -> None:
    """A script types codes for test tokens alone: those whose certificates this data folder has issued."""
    open_card(tmp_path / "foreign").close()
    foreign = tmp_path / "foreign" / "virtual" / "cards" / DEFAULT.serial
    module.certificates = {role: next(foreign.glob(f"{role}-*.der")).read_bytes() for role in KeyRole}
    module.show()
    async with running_agent(folder, readers=VirtualReaders([None]), modules=(module.path,), unattended=True) as agent:
        answer = await use(agent, "/v1/authentications", LOGIN)
        assert answer.code == "key-refused"
    assert module.codes() == 0


CPS4 = bytes.fromhex("3B9B181122334455667788122500648099")


async def test_a_card_that_the_direct_way_refuses_is_used_through_a_module(
    folder: Path, person: Person, module: LyingModule, tmp_path: Path
) -> None:
    """A card with the ATR of a CPS4 that does not speak as one: the module that sees its reader opens it."""
    module.show(reader=reader_name(0))
    with open_card(folder) as card:
        card.atr = CPS4
        async with agent_with(folder, person, module, VirtualReaders([card])) as agent:
            (found,) = await agent.ask(lambda client: client.cards())
            assert (found["number"], found["generation"]) == ("12345678", "CPS4")
            write_chain(tmp_path, (await agent.ask(lambda client: client.certificates()))[0])
            verify_token(tmp_path, (await use(agent, "/v1/authentications", LOGIN)).body, "https://dmp.example", NONCE)
    assert module.codes() == 1


@pytest.mark.parametrize("access", ["direct", "auto"])
async def test_what_the_direct_way_says_counts_where_no_module_knows_better(
    folder: Path, person: Person, module: LyingModule, access: str
) -> None:
    module.tell("list-slots", text(wire.Slots("", [])))
    with open_card(folder) as card:
        card.atr = CPS4
        async with agent_with(folder, person, module, VirtualReaders([card]), card_access=access) as agent:
            assert (await use(agent, "/v1/authentications", LOGIN)).code == "card-unknown"
