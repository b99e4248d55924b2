"""What programs may have done to the software certificates that are kept here: each step with the person's leave."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.cards.errors import CertificateNotFoundError, KeyRefusedError
from agent.cards.policy import CardPolicy
from agent.cards.software import SoftwareCards, is_software_number
from agent.people.prompt import Asker, Deed, DeedRequest, KeptCertificate, Prompt
from drivers.card.certificate import Certificate
from drivers.card.names import OID_COMMON_NAME, OID_COUNTRY

if TYPE_CHECKING:
    from drivers.software.pairs import Pair
    from drivers.software.store import SoftwareStore
    from drivers.software.token import SoftwareKey


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is kept: keys with their certificates, the ids of entries that cannot be read, a structure's pairs."""

    keys: tuple[SoftwareKey, ...] = ()
    damaged: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()


class SoftwareKeeper:
    """Ask the person, then do it, one deed after the other; no thread waits while a person is asked."""

    def __init__(self, software: SoftwareCards, prompt: Prompt, policy: CardPolicy) -> None:
        self._software = software
        self._prompt = prompt
        self._policy = policy

    @property
    def unattended(self) -> bool:
        """Whether a script stands for the person."""
        return self._policy.unattended

    async def list_kept(self) -> Kept:
        """What is kept, lent or not. Raises StoreError."""
        return await self._software.use(list_kept) if self._software.exists else Kept()

    async def list_certificates(self) -> tuple[bytes, ...]:
        """The certificates in use, in DER: one for each subject and role. Raises StoreError."""
        return tuple(key.entry.certificate_der for key in (await self.list_kept()).keys if key.current)

    async def remove(self, asker: Asker, target: str) -> tuple[str, ...]:
        """Remove one entry by its id, or all of a number. Gives their ids.

        Raises CertificateNotFoundError, KeyRefusedError, PromptError, StoreError.
        """
        kept = await self.list_kept()
        keys = [key for key in kept.keys if target in (key.entry.id, key.certificate.group)]
        ids = tuple(key.entry.id for key in keys)
        if not ids and target in kept.damaged:
            ids = (target,)
        if not ids:
            raise CertificateNotFoundError
        ders = [key.entry.certificate_der for key in keys]
        self.require_taken(ders)
        subject = "" if keys else target
        await self._prompt.agree(DeedRequest(Deed.REMOVE, asker, subject, describe(keys), test=self.is_test(ders)))
        await self._software.use(lambda store: _remove(store, ids))
        await self._software.refresh()
        return ids

    def is_test(self, certificates_der: Sequence[bytes]) -> bool:
        """Whether the test root of this folder has issued them all."""
        return bool(certificates_der) and all(map(self._policy.vouches_for, certificates_der))

    async def describe_new(self, certificates: Sequence[tuple[Certificate, str | None]]) -> tuple[KeptCertificate, ...]:
        """What a dialog shows of certificates, with their roles, that come from somewhere else."""

        def describe() -> tuple[KeptCertificate, ...]:
            return tuple(
                replace(describe_certificate(one, role), is_rootless=not self._policy.knows_issuer(one.der))
                for one, role in certificates
            )

        return await asyncio.to_thread(describe)

    def require_taken(self, certificates_der: Sequence[bytes]) -> None:
        """Raise KeyRefusedError for a real certificate in unattended mode: a script does not decide about it."""
        if self._policy.unattended and not self.is_test(certificates_der):
            raise KeyRefusedError("unattended mode serves only test certificates made in this data folder")


def describe(keys: Sequence[SoftwareKey]) -> tuple[KeptCertificate, ...]:
    """What a dialog shows of them."""
    return tuple(describe_certificate(key.certificate.parsed, key.role) for key in keys)


def describe_certificate(certificate: Certificate, role: str | None) -> KeptCertificate:
    """What a dialog shows of a certificate: every part of its name but the country, and who issued it."""
    names = [part.text for part in certificate.subject if part.text and part.oid != OID_COUNTRY]
    issuers = certificate.issuer.texts(OID_COMMON_NAME)
    return KeptCertificate(", ".join(names), next(iter(issuers), ""), certificate.not_after, role)


def is_target(text: str) -> bool:
    """Whether this has the form of an entry's id or of a number."""
    return is_software_number(text) or (len(text) == 32 and set(text) <= set("0123456789abcdef"))


def list_kept(store: SoftwareStore) -> Kept:
    """Look at the store, in its thread."""
    from drivers.software.pairs import list_pairs  # noqa: PLC0415 - where certificates are kept
    from drivers.software.token import list_keys  # noqa: PLC0415

    keys = list_keys(store.list_entries())
    return Kept(keys, store.list_damaged(), list_pairs(keys))


def _remove(store: SoftwareStore, ids: tuple[str, ...]) -> None:
    for entry in ids:
        store.remove(entry)
