"""Signatures of the DMP and INSi verified by xmlsec1, a program over another library than ours."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

DS = "http://www.w3.org/2000/09/xmldsig#"
IDS = {
    "Id": (f"{DS}:Manifest", "http://uri.etsi.org/01903/v1.1.1#:SignedProperties"),
    "ID": ("urn:oasis:names:tc:SAML:2.0:assertion:Assertion",),
}


def accepts(folder: Path, content: bytes) -> bool:
    """Whether it verifies with the key of a certificate under root.pem and issuing.pem of the folder.

    What a manifest refers to is not looked at.
    """
    result = _run(folder, content, "--ignore-manifests")
    return result.returncode == 0 and "OK" in (result.stdout + result.stderr).split()


def count_manifest(folder: Path, content: bytes, files: Mapping[str, Path]) -> tuple[int, int]:
    """How many references of its manifest hold, and how many there are; `files`: what these are to."""
    maps = [word for uri, path in files.items() for word in (f"--url-map:{uri}", str(path))]
    result = _run(folder, content, *maps)
    found = re.search(r"Manifests References \(ok/all\): (\d+)/(\d+)", result.stdout + result.stderr)
    assert found, result.stderr
    return int(found[1]), int(found[2])


def _run(folder: Path, content: bytes, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "profile.xml").write_bytes(content)
    ids = [word for name, elements in IDS.items() for element in elements for word in (f"--id-attr:{name}", element)]
    command = ["xmlsec1", "--verify", "--enabled-key-data", "x509", "--trusted-pem", "root.pem"]
    command += ["--untrusted-pem", "issuing.pem", *ids, *options, "profile.xml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
