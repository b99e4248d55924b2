"""Software keys as tokens: one for each pair of issuer and subject, which is how IGC-Santé ties a structure's keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed

from drivers.base import (
    HASH_LENGTHS,
    NO_HASH,
    Deadline,
    Digest,
    KeyInfo,
    KeyRole,
    Padding,
    PinKeeper,
    PinReader,
    PinStatus,
    Token,
)
from drivers.card.signatures import HASHES, is_signature_of, require_room
from drivers.errors import CardUnknownError, NotSupportedError, PinWrongError
from drivers.pin import LONGEST_PASSPHRASE, Code, Passphrase
from drivers.software.certificates import KeyCertificate, read_key_certificate
from drivers.software.entries import Protection, SoftwareEntry
from drivers.software.errors import EntryDamagedError
from drivers.software.roles import Role
from drivers.software.store import SoftwareStore

GENERATION = "software"
USE_TIMEOUT_S = 20.0
"""Long enough for the pause after wrong passphrases."""


@dataclass(frozen=True, slots=True)
class SoftwareKey:
    """A stored key with what its certificate says. `current`: the one of its role that is used; others are listed."""

    entry: SoftwareEntry
    certificate: KeyCertificate
    current: bool

    @property
    def role(self) -> Role | None:
        """Its role, None when unknown."""
        return self.certificate.role

    def info(self) -> KeyInfo | None:
        """The key as it is lent, None when it is not."""
        lent = self.role.lends if self.role is not None and self.current else None
        if self.role is None or lent is None:
            return None
        hashes, pss_hashes = frozenset((*HASH_LENGTHS, NO_HASH)), frozenset(HASH_LENGTHS)
        needs_code = self.entry.protection is Protection.PASSPHRASE
        key_id, der = self.entry.key_id, self.entry.certificate_der
        return KeyInfo(key_id, self.role.value, lent, der, hashes, pss_hashes, needs_code)


class SoftwareToken(Token):
    """The keys of one subject. `held`: all of them, lent or not, newest first within a role."""

    access = "software"
    generation = GENERATION
    look_timeout_s = use_timeout_s = USE_TIMEOUT_S

    def __init__(self, store: SoftwareStore, held: Sequence[SoftwareKey]) -> None:
        first = held[0].certificate
        self.number = first.group
        self.label = first.label
        self.held = tuple(held)
        infos = [info for key in held if (info := key.info()) is not None]
        self.keys = tuple(sorted(infos, key=lambda info: info.role is not KeyRole.AUTHENTICATION))
        self.authorities_der = tuple(dict.fromkeys(der for key in held for der in key.entry.chain_der))
        self._store = store

    def sign(self, key: KeyInfo, digests: Sequence[Digest], code: Code | None, deadline: Deadline) -> list[bytes]:
        """As many as the deadline leaves time for; the key is decrypted for this call alone. See Token."""
        info = self._known(key)
        for digest in digests:
            if not info.signs(digest):
                raise NotSupportedError(f"this key does not sign {digest.algorithm} ({digest.padding})")
            if digest.padding is Padding.PKCS1:
                require_room(info.certificate_der, digest)
        _require_code(info, code)
        if not digests:
            return []
        with self._store.open_key(info.key_id.hex(), code, deadline) as opened:
            private = opened.load(trusted=True)
        return [_sign(private, info, digest) for digest in _while_time(digests, deadline)]

    def _known(self, key: KeyInfo) -> KeyInfo:
        for info in self.keys:
            if info.key_id == key.key_id:
                return info
        raise NotSupportedError("no such key on this token")


class PassphraseToken(SoftwareToken, PinReader, PinKeeper):
    """A token of which one key at least is opened by a passphrase."""

    passphrase = True

    def read_pin_status(self, deadline: Deadline) -> PinStatus:
        """Nothing counts the tries: each wrong one makes the next wait."""
        deadline.check()
        return PinStatus(None, verified=False, min_length=1, max_length=LONGEST_PASSPHRASE)

    def verify_pin(self, pin: Code, deadline: Deadline) -> None:
        """Right when it opens one of the keys: each may have been given a passphrase of its own."""
        wrong = None
        for entry in self._with_passphrase():
            try:
                with self._store.open_key(entry, pin, deadline):
                    return
            except PinWrongError as error:
                wrong = error
        raise wrong or NotSupportedError("none of these keys has a passphrase")

    def change_pin(self, old: Code, new: Code, deadline: Deadline) -> None:
        """Change that of every key which the old one opens; each in one step, so that none is ever lost."""
        if not isinstance(old, Passphrase) or not isinstance(new, Passphrase):
            raise NotSupportedError("software keys have passphrases")
        self._store.change_passphrase(self._with_passphrase(), old, new, deadline)

    def unblock_pin(self, puk: Code, new: Code, deadline: Deadline) -> None:  # noqa: ARG002 - the seam
        """There is no other way in: a lost passphrase is a lost key."""
        raise NotSupportedError("a software key has no unblocking code: import it, or order it, again")

    def _with_passphrase(self) -> tuple[str, ...]:
        """Their entries, those that are used first."""
        keys = sorted(self.held, key=lambda key: not key.current)
        return tuple(key.entry.id for key in keys if key.entry.protection is Protection.PASSPHRASE)


def list_keys(entries: Iterable[SoftwareEntry], moment: datetime | None = None) -> tuple[SoftwareKey, ...]:
    """Entries with their roles: of each subject and role the newest that is valid now is the one in use.

    Where none is valid it is the newest of all, so that whoever asks is told that it has expired.
    """
    moment = moment or datetime.now(UTC)
    found: dict[tuple[str, str], list[SoftwareKey]] = defaultdict(list)
    for entry in entries:
        certificate = read_key_certificate(entry.certificate_der)
        found[certificate.group, certificate.role or ""].append(SoftwareKey(entry, certificate, current=False))
    ordered = (sorted(keys, key=lambda key: _age(key, moment), reverse=True) for _, keys in sorted(found.items()))
    return tuple(replace(key, current=not number) for keys in ordered for number, key in enumerate(keys))


def _age(key: SoftwareKey, moment: datetime) -> tuple[bool, datetime, datetime, str]:
    parsed = key.certificate.parsed
    return key.certificate.is_valid(moment), parsed.not_before, parsed.not_after, key.entry.id


def open_tokens(store: SoftwareStore, moment: datetime | None = None) -> tuple[SoftwareToken, ...]:
    """A token for each subject with a key that can be lent, in the order of their numbers. Raises StoreError."""
    groups: dict[str, list[SoftwareKey]] = defaultdict(list)
    for key in list_keys(store.list_entries(), moment):
        groups[key.certificate.group].append(key)
    tokens = (_open_token(store, held) for _, held in sorted(groups.items()))
    return tuple(token for token in tokens if token.keys)


def _open_token(store: SoftwareStore, held: Sequence[SoftwareKey]) -> SoftwareToken:
    has_words = any(key.entry.protection is Protection.PASSPHRASE for key in held)
    return PassphraseToken(store, held) if has_words else SoftwareToken(store, held)


def _require_code(info: KeyInfo, code: Code | None) -> None:
    if not isinstance(code, Passphrase if info.needs_code else type(None)):
        raise NotSupportedError("this key takes a passphrase" if info.needs_code else "this key takes no code")


def _while_time(digests: Sequence[Digest], deadline: Deadline) -> Iterable[Digest]:
    """The first one, and those after it for which there is time left."""
    for number, digest in enumerate(digests):
        if number and not deadline.remaining_s:
            return
        yield digest


def _scheme(digest: Digest) -> tuple[padding.AsymmetricPadding, Prehashed | NoDigestInfo]:
    if digest.algorithm == NO_HASH:
        return padding.PKCS1v15(), NoDigestInfo()
    algorithm = HASHES[digest.algorithm]
    if digest.padding is Padding.PSS:
        return padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH), Prehashed(algorithm)
    return padding.PKCS1v15(), Prehashed(algorithm)


def _sign(private: rsa.RSAPrivateKey, info: KeyInfo, digest: Digest) -> bytes:
    """RFC 8017 §8. What does not verify does not leave: a damaged key would give itself away by it."""
    try:
        signature = private.sign(digest.value, *_scheme(digest))
    except ValueError as error:
        raise EntryDamagedError("the key is damaged") from error
    if not is_signature_of(info.certificate_der, digest, signature):
        raise CardUnknownError("the signature does not match the certificate of this key")
    return signature
