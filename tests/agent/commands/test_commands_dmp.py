"""`cps-agent dmp`: signatures of submission sets, VIHF and INSi assertions, verified by xmlsec1."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.openssl import write_chain
from support.processes import agent_program
from support.xmlsec_profiles import accepts

from agent.client import Client
from agent.commands.dmp import MAX_SENT
from agent.commands.parser import make_parser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("agent")
    with agent_program(folder, "--virtual", "--unattended"):
        yield folder


def dmp(folder: Path, *words: str | Path) -> int:
    arguments = make_parser().parse_args(["dmp", "--data-dir", str(folder), *map(str, words)])
    return int(arguments.run(arguments))


@pytest.fixture
def chain(folder: Path, tmp_path: Path) -> Path:
    with Client.of(folder) as client:
        write_chain(tmp_path, client.certificates()[0])
    return tmp_path


def test_a_submission_set(folder: Path, chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (chain / "cda.XML").write_bytes(b"<a><!-- b --></a>")
    (chain / "image.dcm").write_bytes(b"\0\1")
    words = ["1.2.3", f"1.2.4={chain / 'cda.XML'}", f"urn:oid:1.2.5={chain / 'image.dcm'}"]
    assert dmp(folder, "sign", *words, "-o", chain / "signature.xml") == 0
    signed = (chain / "signature.xml").read_bytes()
    assert accepts(chain, signed)
    assert signed.count(b"<Transform ") == 1
    assert dmp(folder, "sign", *words, "-o", chain / "signature.xml") == 2
    assert (chain / "signature.xml").read_bytes() == signed
    (chain / "large.dcm").write_bytes(bytes(MAX_SENT + 1))
    assert dmp(folder, "sign", "1.2.3", f"1.2.5={chain / 'large.dcm'}", "-o", chain / "large.xml") == 0
    digest = base64.b64encode(hashlib.sha1(bytes(MAX_SENT + 1), usedforsecurity=False).digest())
    assert digest in (chain / "large.xml").read_bytes()
    assert dmp(folder, "sign", "1.2.3", "1.2.4") == 2
    assert dmp(folder, "sign", "1.2.3", "1.2.4=absent.xml") == 2
    assert dmp(folder, "sign", "1.2.x", *words[1:]) == 2
    capsys.readouterr()


def test_a_vihf(folder: Path, chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (chain / "members.json").write_text(json.dumps({"software": {"name": "LPS"}, "version": "4.0"}))
    words = ["--ins", "207058575627097", "--ins-kind", "test", "--structure", "1990000010", "--reason", "essai"]
    assert dmp(folder, "vihf", *words, "--members", chain / "members.json") == 0
    made = capsys.readouterr().out.strip().encode()
    assert accepts(chain, made)
    for text in (b">1990000010<", b">LPS<", b">4.0<", b">essai<", b">DIRECTE<", b">207058575627097^^^"):
        assert made.count(text) == 1
    assert dmp(folder, "vihf", "--structure", "1750000001") == 4
    told = capsys.readouterr().err
    assert "structure-refused" in told
    assert "499700002712005, SA07, CABINET DU DR VIRTUEL" in told
    (chain / "members.json").write_text("[]")
    assert dmp(folder, "vihf", "--members", chain / "members.json") == 2


def test_an_insi_assertion_as_json(folder: Path, chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dmp(folder, "insi", "--billing", "991130972", "--json", "-o", chain / "insi.xml") == 0
    assert json.loads(capsys.readouterr().out)["mediaType"] == "application/samlassertion+xml"
    assert accepts(chain, (chain / "insi.xml").read_bytes())


def test_without_a_verb_it_says_which_there_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dmp(folder) == 2
    assert "vihf" in capsys.readouterr().err
