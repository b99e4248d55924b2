"""Keys for TLS that are really elsewhere: on virtual cards, driven by APDUs; and in memory, to be misbehaved with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from support.tls_servers import Authority

from agent.certificates.test_root import TestRoot
from agent.services.tls.key import Sign, TlsKey
from drivers.base import Deadline, Digest, KeyRole, Padding
from drivers.card.family import open_card as open_direct
from drivers.card.profile import CardProfile
from drivers.pin import Pin
from drivers.virtual.kinds import open_card_of_kind
from drivers.virtual.link import VirtualReaders


@dataclass
class CountedKey:
    """A key, and what it was asked to sign."""

    key: TlsKey
    authorities_der: tuple[bytes, ...]
    signed: list[Digest] = field(default_factory=list)

    @property
    def paddings(self) -> list[str]:
        return [digest.padding.value for digest in self.signed]


class _NoStore:
    """A ProfileStore that knows nothing."""

    def load(self, _number: str) -> CardProfile | None:
        return None

    def save(self, _profile: CardProfile) -> None:
        pass

    def forget(self, _number: str) -> None:
        pass


@contextmanager
def card_key(data_dir: Path, kind: str = "cps3") -> Iterator[CountedKey]:
    """The authentication key of the virtual card of a data folder."""
    with open_card_of_kind(data_dir, kind) as card:
        readers = VirtualReaders([card])
        (state,) = readers.list_states()
        token = open_direct(readers.open_slot(state.name), card.atr, _NoStore(), Deadline(10))
        (info,) = [key for key in token.keys if key.role is KeyRole.AUTHENTICATION]

        def sign(digest: Digest) -> bytes:
            counted.signed.append(digest)
            (signature,) = token.sign(info, [digest], Pin(bytearray(b"1234")), Deadline(10))
            return signature

        chain = TestRoot(data_dir).authorities_der()
        key = TlsKey(info.certificate_der, chain[:1], "sha256" in info.pss_hashes, sign)
        counted = CountedKey(key, chain)
        yield counted
        token.close()


def memory_key(authority: Authority, *, pss: bool = True, sign: Sign | None = None) -> CountedKey:
    """A key of an authority in memory; `sign` replaces what it does."""

    def do_sign(digest: Digest) -> bytes:
        counted.signed.append(digest)
        return (sign or signer_of(authority.key))(digest)

    counted = CountedKey(TlsKey(authority.issue(name="client"), (), pss, do_sign), (authority.der,))
    return counted


def signer_of(key: rsa.RSAPrivateKey) -> Callable[[Digest], bytes]:
    """What a token does with a key."""

    def sign(digest: Digest) -> bytes:
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        chosen = pss if digest.padding is Padding.PSS else padding.PKCS1v15()
        return key.sign(digest.value, chosen, utils.Prehashed(hashes.SHA256()))

    return sign
