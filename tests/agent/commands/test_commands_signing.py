"""`cps-agent sign`: every format by its flags, its files beside the documents, and no document ever overwritten."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.jose import header_of, run_verifier
from support.openssl import openssl, verify_cms, write_chain
from support.pdf import ORDONNANCE
from support.processes import agent_program

from agent.api import schemas
from agent.client import Client
from agent.commands.parser import make_parser
from agent.commands.signing_form import name_result
from agent.sending import MAX_DOCUMENTS, MAX_UPLOAD

TEXT = b"Ordonnance\r\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("agent")
    with agent_program(folder, "--virtual", "--unattended") as client:
        client.folder = folder  # type: ignore[attr-defined]
        yield client


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "ordonnance é.txt"
    path.write_bytes(TEXT)
    return path


def sign(running: Client, *words: str | Path) -> int:
    arguments = make_parser().parse_args(["sign", "--data-dir", str(running.folder), *map(str, words)])  # type: ignore[attr-defined]
    return int(arguments.run(arguments))


def test_beside_and_around_the_document_by_openssl(running: Client, document: Path, tmp_path: Path) -> None:
    write_chain(tmp_path, running.certificates()[0])
    for words, ending, detached in (((), "p7s", True), (["--enveloping"], "p7m", False)):
        assert sign(running, document, "--format", "cades", *words) == 0
        signature = Path(f"{document}.{ending}").read_bytes()
        verify_cms(tmp_path, signature, TEXT, detached=detached)


def test_jws_and_jades_by_another_program(running: Client, document: Path) -> None:
    assert sign(running, document, "--format", "jws") == 0
    policy = document.with_name("policy")
    policy.write_bytes(b"policy")
    role = ["--role", "Médecin", "--policy", "1.2.3", policy, "--policy-uri", "https://example.org/p"]
    assert sign(running, document, "--format", "jades", "--serialization", "json", *role) == 0
    signed = {ending: Path(f"{document}.{ending}").read_bytes() for ending in ("jws", "json")}
    with run_verifier() as verifier:
        assert [verifier.verify(each)[1] for each in signed.values()] == [TEXT, TEXT]
    header = header_of(signed["json"])
    assert header["cty"] == "text/plain"
    assert header["srAts"]["claimed"][0]["qVals"] == ["Médecin"]
    assert header["sigPId"]["id"] == {"id": "urn:oid:1.2.3"}


XML = b"<ordonnance><ligne>1</ligne></ordonnance>"
IN_PLACE = {
    "--format pades --place last,36,36 --reason Valide --location Lyon": (
        "a.pdf",
        ORDONNANCE,
        "a-signed.pdf",
        b"%PDF",
    ),
    "--format pades --visible": ("a.pdf", ORDONNANCE, "a-signed.pdf", b"%PDF"),
    "--format xades --role Médecin": ("a.xml", XML, "a-signed.xml", b"<ordonnance"),
    "--format xmldsig --packaging detached": ("a.txt", b"text", "a.txt.xml", b"<"),
}


@pytest.mark.parametrize("words", IN_PLACE)
def test_signatures_in_documents(running: Client, tmp_path: Path, words: str) -> None:
    name, content, target, start = IN_PLACE[words]
    (tmp_path / name).write_bytes(content)
    assert sign(running, tmp_path / name, *words.split()) == 0
    assert (tmp_path / name).read_bytes() == content
    assert start in (tmp_path / target).read_bytes()[:200]


def test_a_container_holds_all(running: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / name for name in ("a.txt", "b é.txt")]
    for file in files:
        file.write_text(file.name)
    assert sign(running, *files, "--format", "asic-e", "--output", tmp_path / "dossier.asice") == 0
    with zipfile.ZipFile(tmp_path / "dossier.asice") as container:
        assert {file.name: file.read_bytes() for file in files}.items() <= {
            name: container.read(name) for name in container.namelist()
        }.items()


def test_hashes_alone(running: Client, document: Path, tmp_path: Path) -> None:
    words = ["--format", "jades", "--packaging", "detached", "--digest-only"]
    assert sign(running, document, *words, "--output", tmp_path / "x") == 0
    assert header_of((tmp_path / "x").read_bytes())["sigD"]["pars"] == ["ordonnance%20%C3%A9.txt"]
    assert running.journal(1)[0]["action"] == "sign-digests"


def test_a_bare_signature(running: Client, document: Path, tmp_path: Path) -> None:
    assert sign(running, document, "--format", "raw") == 0
    write_chain(tmp_path, running.certificates()[0])
    (signature,) = tmp_path.glob("*.sig")
    (tmp_path / "signer.der").write_bytes(_signer(running))
    openssl(tmp_path, "x509", "-inform", "DER", "-in", "signer.der", "-noout", "-pubkey", "-out", "pub")
    openssl(tmp_path, "dgst", "-sha256", "-verify", "pub", "-signature", signature.name, document.name)


def _signer(running: Client) -> bytes:
    (signed,) = running.sign_raw([("x", hashlib.sha256(b"x").digest())])
    return signed.certificate_der


def test_several_files_into_a_folder(running: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / name for name in ("a.txt", "b.txt")]
    for file in files:
        file.write_text(file.name)
    out = tmp_path / "out"
    out.mkdir()
    assert sign(running, *files, "--output", out, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"signatures": [str(out / "a.txt.p7s"), str(out / "b.txt.p7s")]}
    assert sign(running, *files, "--output", tmp_path / "none") == 2
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a.txt").write_text("another")
    assert sign(running, files[0], tmp_path / "c" / "a.txt", "--output", out, "--force") == 2


def test_more_files_are_a_batch(running: Client, document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert MAX_DOCUMENTS == schemas.MAX_DOCUMENTS
    assert sign(running, *[document] * (MAX_DOCUMENTS + 1)) == 2
    assert "cps-agent batch" in capsys.readouterr().err


def test_a_large_file_is_sent_as_it_is_read(running: Client, tmp_path: Path) -> None:
    large = tmp_path / "scan.dcm"
    with large.open("wb") as file:
        file.truncate(40 * 1024 * 1024)
    assert sign(running, large) == 0
    assert running.journal(1)[0]["action"] == "sign"


def test_of_files_that_are_too_large_the_hash_is_sent(
    running: Client, document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_UPLOAD > 500 * 1024 * 1024
    monkeypatch.setattr("agent.commands.signing.MAX_UPLOAD", 5)
    assert sign(running, document) == 0
    assert running.journal(1)[0]["action"] == "sign-digests"
    assert sign(running, document, "--enveloping") == 2


def test_no_document_is_ever_overwritten(running: Client, document: Path) -> None:
    link = document.with_name("link")
    link.symlink_to(document)
    for target in (document, link, document.parent / "." / document.name):
        assert sign(running, document, "--output", target, "--force") == 2
    assert sign(running, document) == 0
    assert sign(running, document) == 2
    assert sign(running, document, "--force") == 0
    assert document.read_bytes() == TEXT


WRONG = [
    ["--format", "jws", "--packaging", "enveloped"],
    ["--format", "pades", "--packaging", "detached"],
    ["--format", "jws", "--digest-only"],
    ["--format", "pades", "--place", "one"],
    ["--format", "pades", "--place", "1,2,x"],
    ["--format", "pades", "--place", "1,2,3,4,5,6"],
    ["--policy-uri", "https://example.org"],
    ["--policy", "1.2.3", "/nonexistent"],
    ["--format", "jws", "--level", "T"],
    ["--format", "jws", "--reason", "x"],
    ["--format", "cms", "--serialization", "json"],
]


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_what_does_not_fit_is_a_wrong_call(running: Client, document: Path, words: list[str]) -> None:
    assert sign(running, document, *words) == 2
    assert [path.name for path in document.parent.iterdir()] == [document.name]


NAMES = {
    "": "a.xml.p7s",
    "--enveloping": "a.xml.p7m",
    "--format raw": "a.xml.sig",
    "--format cades": "a.xml.p7s",
    "--format xades": "a-signed.xml",
    "--format xmldsig": "a-signed.xml",
    "--format xades --enveloping": "a.xml.xml",
    "--format xades --packaging detached": "a.xml.xml",
    "--format pades": "a-signed.xml",
    "--format asic-e": "a.xml.asice",
    "--format jws": "a.xml.jws",
    "--format jws --serialization json": "a.xml.json",
    "--format jades --packaging detached": "a.xml.jws",
}


@pytest.mark.parametrize("words", NAMES)
def test_signatures_are_named_after_their_document(words: str) -> None:
    arguments = make_parser().parse_args(["sign", "a.xml", *words.split()])
    assert name_result(arguments, Path("folder/a.xml")) == NAMES[words]
