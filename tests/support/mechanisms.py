"""Mechanisms of PKCS#11 as pkcs11-tool names them: what each is given to sign, and how openssl verifies it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from support.openssl import openssl

CONTENT = b"Ordonnance pour un patient d'essai\n" * 100
PREFIXES = {
    "sha1": "3021300906052b0e03021a05000414",
    "sha256": "3031300d060960864801650304020105000420",
    "sha384": "3041300d060960864801650304020205000430",
    "sha512": "3051300d060960864801650304020305000440",
}
"""What stands before the hash in a DigestInfo (RFC 8017 §9.2, note 1)."""

Verify = Callable[[Path, str], None]
"""Given the folder of `signature` and `content`, and the name of the public key in it. Raises AssertionError."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to use a mechanism: `given` is what the program is told to sign, `options` what else it is told."""

    mechanism: str
    given: bytes
    verify: Verify
    options: tuple[str, ...] = ()
    hash: str = ""

    def __str__(self) -> str:
        return f"{self.mechanism} {self.hash or 'raw'}"

    @property
    def named(self) -> str:
        """The mechanism that does the same and hashes as well; "" where nothing is hashed."""
        return f"{self.hash.upper()}-RSA-PKCS{'-PSS' * self.mechanism.endswith('PSS')}" if self.hash else ""


def digest_info(name: str, content: bytes = CONTENT) -> bytes:
    """The DigestInfo of the content's hash."""
    return bytes.fromhex(PREFIXES[name]) + hashlib.new(name, content).digest()


def ways_of(listing: str) -> Iterator[Way]:
    """Every way to use each mechanism for signatures of a listing of pkcs11-tool -M. ValueError for an unknown one."""
    for name in re.findall(r"^  (\S+?),.*\bsign\b", listing, re.MULTILINE):
        yield from _ways(name)


def _ways(mechanism: str) -> Iterator[Way]:
    if mechanism == "RSA-PKCS":
        yield from (Way(mechanism, digest_info(name), _verify_hash(name), hash=name) for name in PREFIXES)
        yield Way(mechanism, b"anything", _recover(b"anything"))
    elif mechanism == "RSA-PKCS-PSS":
        for name in ("sha256", "sha384", "sha512"):
            given, options = hashlib.new(name, CONTENT).digest(), _pss_options(name)
            yield Way(mechanism, given, _verify_pss(name), options, hash=name)
    elif named := re.fullmatch(r"(SHA\d+)-RSA-PKCS", mechanism):
        yield Way(mechanism, CONTENT, _verify_hash(named[1].lower()), hash=named[1].lower())
    else:
        raise ValueError(f"nobody has said how {mechanism} is verified")


def _pss_options(name: str) -> tuple[str, ...]:
    return ("--hash-algorithm", name.upper(), "--mgf", f"MGF1-{name.upper()}", "--salt-len", "-1")


def _verify_hash(name: str) -> Verify:
    def verify(folder: Path, key: str) -> None:
        openssl(folder, "dgst", f"-{name}", "-verify", key, "-signature", "signature", "content")

    return verify


def _verify_pss(name: str) -> Verify:
    def verify(folder: Path, key: str) -> None:
        pss = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
        openssl(folder, "dgst", f"-{name}", *pss, "-verify", key, "-signature", "signature", "content")

    return verify


def _recover(data: bytes) -> Verify:
    def verify(folder: Path, key: str) -> None:
        recover = ("-verifyrecover", "-pubin", "-inkey", key, "-in", "signature", "-out", "recovered")
        openssl(folder, "pkeyutl", *recover)
        assert (folder / "recovered").read_bytes() == data

    return verify
