"""`cps-agent verify`: files signed by `cps-agent sign` in every format, and the same altered."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import agent_program

from agent.client import Client
from agent.commands.parser import make_parser

DOCUMENT = b'<?xml version="1.0"?>\n<a xmlns="urn:a"><b>Ordonnance</b></a>'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("agent")
    with agent_program(folder, "--virtual", "--unattended"):
        yield folder


def run(folder: Path, *words: str | Path) -> int:
    command, *others = map(str, words)
    arguments = make_parser().parse_args([command, "--data-dir", str(folder), *others])
    return int(arguments.run(arguments))


CASES = [
    ("xmldsig", "enveloped"),
    ("xades", "detached"),
]


@pytest.mark.parametrize(("form", "packaging"), CASES)
def test_what_was_signed_holds_and_what_was_altered_does_not(
    running: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, packaging: str
) -> None:
    document, signed = tmp_path / "a.xml", tmp_path / "signed"
    document.write_bytes(DOCUMENT)
    assert run(running, "sign", document, "--format", form, "--packaging", packaging, "--output", signed) == 0
    words = ["--content", document] if packaging == "detached" else []
    capsys.readouterr()
    assert run(running, "verify", signed, *words, "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)["documents"]
    (signature,) = told["signatures"]
    assert (signature["valid"], signature["format"]) == (True, form)
    assert signature["signer"]["kind"] == "CPS"
    assert signature["signer"]["test"]
    assert signature["signer"]["profession"]["code"] == "10"
    _alter(document if words else signed)
    assert run(running, "verify", signed, *words) == 10
    assert capsys.readouterr().out.startswith("signed:\n")


def _alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def test_anchors_of_ones_own(running: Path, tmp_path: Path) -> None:
    document, signed, root = tmp_path / "a.xml", tmp_path / "signed", tmp_path / "root.der"
    document.write_bytes(DOCUMENT)
    assert run(running, "sign", document, "--format", "xmldsig", "--output", signed) == 0
    with Client.of(running) as client:
        certificates = client.certificates()
    root.write_bytes(base64.b64decode(certificates[0]["chain"][-1]))
    assert run(running, "verify", signed, "--anchor", root) == 0
    root.write_bytes(base64.b64decode(certificates[0]["certificate"]))
    assert run(running, "verify", signed, "--anchor", root) == 10


def test_files_that_cannot_be_verified(running: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = tmp_path / "a.txt"
    document.write_bytes(b"hello")
    assert run(running, "verify", document) == 10
    assert "a.txt" in capsys.readouterr().out
    assert run(running, "verify", tmp_path / "missing") == 2
    assert run(running, "verify", document, document, "--content", document) == 2
    assert run(running, "verify", document, "--anchor", document) == 2
