"""The child `_tls`: whether OpenSSL takes a key that lies elsewhere, found out where a crash costs nothing.

One line of JSON on its output, then it ends.
"""

from __future__ import annotations

import json
import ssl
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agent.people.hardening import confine
from agent.services.tls.context import make_context
from agent.services.tls.errors import TlsError
from agent.services.tls.key import TlsKey
from agent.services.tls.signing import watching
from drivers.base import Digest, Padding

LIFE_S: Final = 30
MEMORY: Final = 1024**3
NAME: Final = "localhost"
MAX_FLIGHTS: Final = 8
V12: Final = ssl.TLSVersion.TLSv1_2
V13: Final = ssl.TLSVersion.TLSv1_3


def main() -> int:
    """Try both versions, and tell. Gives the exit code."""
    confine(MEMORY, LIFE_S, LIFE_S)
    sys.stdout.write(json.dumps(try_out()) + "\n")
    sys.stdout.flush()
    return 0


def try_out() -> dict[str, bool | str | None]:
    """`available`, `tls13`, and the `reason` why one of them is not."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            pair = _Pair(Path(folder))
            reason = pair.why_not(V12)
            reason_13 = reason or pair.why_not(V13)
    except OSError as error:  # no place for a temporary file
        reason = reason_13 = f"the self-test of OpenSSL fails: {error}"
    return {"available": reason is None, "tls13": reason_13 is None, "reason": reason_13}


class _Pair:
    """A client and a server that wants its certificate, both with one throw-away key: the client's signs elsewhere."""

    def __init__(self, folder: Path) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self._paddings: list[Padding] = []
        certificate = _certify(self._key)
        self._der = certificate.public_bytes(Encoding.DER)
        private = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._file = folder / "both.pem"
        self._file.write_bytes(private + certificate.public_bytes(Encoding.PEM))

    def why_not(self, version: ssl.TLSVersion) -> str | None:
        """None when a handshake of that version goes well: TLS 1.2 with PKCS#1 v1.5, TLS 1.3 with PSS."""
        wanted = Padding.PSS if version is V13 else Padding.PKCS1
        self._paddings.clear()
        try:
            self._shake_hands(version)
        except TlsError as error:
            return str(error)
        except (ssl.SSLError, ValueError) as error:
            return f"{ssl.OPENSSL_VERSION}: {error}"
        return None if self._paddings == [wanted] else f"{ssl.OPENSSL_VERSION} asks for another kind of signature"

    def _shake_hands(self, version: ssl.TLSVersion) -> None:
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        key = TlsKey(self._der, (), version is V13, self._sign)
        client = make_context(key, [self._der]).wrap_bio(to_client, to_server, server_hostname=NAME)
        server = self._server(version).wrap_bio(to_server, to_client, server_side=True)
        with watching() as watch:
            waiting = {client, server}
            for _ in range(MAX_FLIGHTS):
                waiting = {side for side in waiting if not _goes_on(side)}
        if waiting or server.getpeercert(binary_form=True) != self._der:
            raise ValueError(f"the handshake did not end: {watch.failure}")

    def _server(self, version: ssl.TLSVersion) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = version
        context.load_cert_chain(self._file)
        context.load_verify_locations(cadata=self._der)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _sign(self, digest: Digest) -> bytes:
        self._paddings.append(digest.padding)
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), len(digest.value))
        chosen = pss if digest.padding is Padding.PSS else padding.PKCS1v15()
        return self._key.sign(digest.value, chosen, utils.Prehashed(hashes.SHA256()))


def _goes_on(side: ssl.SSLObject) -> bool:
    """Whether its handshake is done."""
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _certify(key: rsa.RSAPrivateKey) -> x509.Certificate:
    """Its own authority: neither name nor dates matter to anybody else."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256())
