"""XML signatures verified by xmlsec1, a program over another library than ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
IDS = (f"{DS}:Object", f"{DS}:KeyInfo", f"{XADES}:SignedProperties")


def xmlsec_accepts(folder: Path, signature: bytes, name: str = "signature.xml", number: int = 1) -> bool:
    """Whether a signature (the nth of its document) verifies with the key of a certificate under root.pem in the folder.

    What it names outside of itself is looked for in the folder.
    """
    (folder / name).write_bytes(signature)
    ids = [word for each in IDS for word in ("--id-attr:Id", each)]
    node = ("--node-xpath", f"(//*[local-name()='Signature' and namespace-uri()='{DS}'])[{number}]")
    command = ("xmlsec1", "--verify", "--enabled-key-data", "x509", "--trusted-pem", "root.pem", *ids, *node, name)
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode in (0, 1), result.stderr
    return result.returncode == 0 and "OK" in (result.stdout + result.stderr).split()
