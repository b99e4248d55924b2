"""A module that answers a batch with other signatures than were asked for: none leaves, and its process is ended."""

from __future__ import annotations

import base64
import json
import shutil
import sys
from pathlib import Path

import msgspec
import pytest
from support import lying_worker

from drivers.base import Deadline, Digest, KeyRole
from drivers.errors import CardUnknownError, DriverError, ModuleCrashedError
from drivers.pin import Pin
from drivers.pkcs11 import wire
from drivers.pkcs11.modules import ModuleTokens
from drivers.pkcs11.workers import ModuleWorkers
from drivers.virtual.personalisation import DEFAULT

BATCH = [Digest("sha256", bytes([number]) * 32) for number in range(3)]
KEY_ID = b"id"


@pytest.fixture
def card_folder(made_folder: Path) -> Path:
    return made_folder / "virtual" / "cards" / DEFAULT.serial


class Module:
    """The file of a lying module with one key."""

    def __init__(self, folder: Path, card_folder: Path) -> None:
        self.path = folder / "module.so"
        shutil.copy(card_folder / "authentication.key.pem", folder / "key.pem")
        certificate = next(card_folder.glob("authentication-*.der")).read_bytes()
        found = [wire.CertificateObject(KEY_ID, "label", certificate)]
        self.told = {
            "list-slots": text(wire.Slots("", [wire.SlotState(1, "slot", False, "CPS", "12345678")])),
            "open-token": text(wire.Opened("CPS", "12345678", "model", True, found)),
            "sign": {"key": str(folder / "key.pem")},
        }
        self.write()

    def write(self) -> None:
        self.path.write_text(json.dumps(self.told))

    def tell(self, signatures: list[bytes]) -> None:
        values = [base64.b64encode(each).decode() for each in signatures]
        self.told["sign"] = json.dumps({"message": "signatures", "values": values})
        self.write()

    def asked(self) -> list[str]:
        return self.path.with_suffix(".asked").read_text().splitlines()


def text(message: msgspec.Struct) -> str:
    return msgspec.json.encode(message).decode()


@pytest.fixture
def module(tmp_path: Path, card_folder: Path) -> Module:
    return Module(tmp_path, card_folder)


def sign(module: Module, batch: list[Digest]) -> list[bytes]:
    command = (sys.executable, str(Path(lying_worker.__file__)))
    tokens = ModuleTokens(ModuleWorkers(named=(module.path,), command=command))
    (state,) = tokens.list_states()
    token = tokens.open_slot(state.name).open_token(Deadline(20))
    try:
        (key,) = token.keys
        assert key.role is KeyRole.AUTHENTICATION
        return token.sign(key, batch, Pin(bytearray(b"1234")), Deadline(20))
    finally:
        token.close()


def test_an_honest_batch(module: Module) -> None:
    assert len(sign(module, BATCH)) == 3
    assert module.asked()[-1] == "sign 1", "one code for three signatures"


def test_a_batch_longer_than_a_request_is_signed_in_part(module: Module) -> None:
    assert len(sign(module, BATCH * 4)) == wire.MAX_SIGNATURES


@pytest.mark.parametrize("lie", ["too many", "none", "in another order", "the same each time", "one is wrong"])
def test_attack_signatures_that_were_not_asked_for(module: Module, lie: str) -> None:
    honest = sign(module, BATCH)
    lies = {
        "too many": [*honest, honest[0]],
        "none": [],
        "in another order": honest[::-1],
        "the same each time": honest[:1] * 3,
        "one is wrong": [*honest[:2], bytes(256)],
    }
    module.tell(lies[lie])
    expected: type[DriverError] = ModuleCrashedError if lie in ("too many", "none") else CardUnknownError
    with pytest.raises(expected):
        sign(module, BATCH)
    assert [line for line in module.asked() if line.startswith("sign")] == ["sign 1"] * 2


def test_a_part_of_the_batch_is_taken(module: Module) -> None:
    honest = sign(module, BATCH)
    module.tell(honest[:2])
    assert sign(module, BATCH) == honest[:2]
