"""A test PKI that is served for real: certificates of every fate, CRLs, OCSP and time-stamps, by Certomancer."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from agent.certificates.pem import read_pem
from drivers.virtual.authorities import load_key
from drivers.virtual.pki import dump_key

KEYS = ("root", "issuing", "stranger", "responder", "card")
TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Pki:
    """The PKI in its folder, and where it answers."""

    folder: Path
    port: int

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    @property
    def authorities(self) -> tuple[Path, ...]:
        """What the settings name as `test_authorities`."""
        return self.root, self.folder / "issuing.pem"

    @property
    def key(self) -> rsa.RSAPrivateKey:
        """That of every card."""
        return load_key(self.folder / "keys" / "card.pem")

    def der(self, label: str) -> bytes:
        (der,) = read_pem((self.folder / f"{label}.pem").read_bytes())
        return der

    def chain(self) -> list[bytes]:
        return [self.der("issuing"), self.der("root")]

    def url(self, path: str) -> str:
        return f"http://{self.host}/igc/{path}"

    @contextlib.contextmanager
    def mood(self, path: str, mood: str) -> Iterator[None]:
        """Have an address misbehave until the block ends."""
        self._set_mood(path, mood)
        try:
            yield
        finally:
            self._set_mood(path, "")

    def _set_mood(self, path: str, mood: str) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{self.host}/mood/igc/{path}", mood.encode() or b" ", timeout=10):
            pass


@contextlib.contextmanager
def served_pki(folder: Path) -> Iterator[Pki]:
    """Make keys where there are none yet, and serve until the block ends."""
    keys = folder / "keys"
    keys.mkdir(exist_ok=True)
    for name in KEYS:
        if not (keys / f"{name}.pem").exists():
            (keys / f"{name}.pem").write_bytes(dump_key(rsa.generate_private_key(65537, 2048)))
    process = subprocess.Popen(
        [sys.executable, "-m", "support.certomancer_server", str(folder)],
        cwd=TESTS,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    with process, process.stdin, process.stdout:
        port = process.stdout.readline()
        assert port, "Certomancer did not start"
        yield Pki(folder, int(port))
