"""From a call to finished signatures: the worker prepares, the person's card signs, the worker completes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from agent.access.callers import Caller
from agent.cards.card import Card, load_certificate
from agent.cards.uses import CardUses, UnlockedKey, UseRequest
from agent.certificates.chains import Chains
from agent.people.prompt import StatementSummary
from agent.signing.documents import Signature
from agent.signing.errors import EvidenceError
from agent.signing.messages import Made
from agent.signing.preparation import SignatureTerms, Signer
from agent.signing.words import Level, Scheme
from agent.signing.workshop import Job, Task, Workshop
from drivers.base import HASH_LENGTHS, Digest, KeyRole, Padding

HASH = "sha256"
PADDINGS = {Scheme.RS256: Padding.PKCS1, Scheme.PS256: Padding.PSS}
WITH_EVIDENCE = frozenset({Level.LT, Level.LTA})
Settle = Callable[[UnlockedKey], Awaitable[Task]]


@dataclass(frozen=True, slots=True)
class _Signed:
    job: Job
    made: tuple[Made, ...]
    values: list[bytes]
    certificate_der: bytes


@dataclass(frozen=True, slots=True)
class SigningDesk:
    """What signing needs of the agent."""

    uses: CardUses
    chains: Chains
    workshop: Workshop

    async def sign(
        self,
        use: UseRequest,
        task: Task,
        scheme: Scheme,
        still_granted: Callable[[], None],
        settle: Settle | None = None,
    ) -> list[Signature]:
        """Make all signatures of a task with one code. `still_granted` raises when the caller may not any more.

        `settle` gives the task again with what the card tells once its code was given.
        Raises SigningError, NotSupportedError and what CardUses.sign raises.
        """
        async with AsyncExitStack() as stack:

            async def make(key: UnlockedKey) -> _Signed:
                still_granted()
                whole = task if settle is None else await settle(key)
                job = await stack.enter_async_context(self.workshop.job(use.caller))
                made = await job.prepare(whole, self.describe(key, scheme))
                still_granted()  # a document may have taken the worker its time
                values = await key.sign_all([_digest(each, scheme) for each in made])
                return _Signed(job, made, values, key.info.certificate_der)

            async with self.workshop.job(use.caller) as look:
                await look.check(task)
            sample = Digest(task.hash_name, bytes(HASH_LENGTHS[task.hash_name]), PADDINGS[scheme])
            admits = use.admits or partial(self.admit, [task.terms])
            use = replace(use, sample=sample, admits=admits, statement=describe_statement(task.terms))
            signed = await self.uses.sign(use, KeyRole.SIGNATURE, make)
            contents = await signed.job.complete(signed.values)  # the code is wiped by now
        return [
            Signature(each.name, content, signed.certificate_der, each.media_type)
            for each, content in zip(signed.made, contents, strict=True)
        ]

    async def look(self, caller: Caller, tasks: Sequence[Task]) -> None:
        """Refuse what can be refused before anything else is known. Raises SigningError."""
        async with self.workshop.job(caller) as job:
            for task in tasks:
                await job.check(task)

    def admit(self, terms: Iterable[object], card: Card) -> None:
        """Refuse before a code is asked a card that has no evidence for a level that wants it. Raises EvidenceError."""
        if any(getattr(each, "level", None) in WITH_EVIDENCE for each in terms):
            self._require_evidence(card)

    def _require_evidence(self, card: Card) -> None:
        certificate = load_certificate(card.key(KeyRole.SIGNATURE).certificate_der)
        chain = self.chains.find(certificate, card.token.authorities_der)
        if chain is None:
            raise EvidenceError("no root is known for the signer's certificate")
        if self.chains.is_of_test_root(chain):
            raise EvidenceError(
                "nothing proves that a test card of this data folder is not revoked: its root says nothing"
            )

    def describe(self, key: UnlockedKey, scheme: Scheme) -> Signer:
        """Say who signs, and how."""
        certificate = load_certificate(key.info.certificate_der)
        holder = key.card.holder
        return Signer(
            certificate_der=key.info.certificate_der,
            chain_der=self.chains.find(certificate, key.card.token.authorities_der) or (),
            scheme=scheme,
            name=holder.display_name,
            profession=holder.profession.label if holder.profession else None,
        )


def describe_statement(terms: msgspec.Struct) -> StatementSummary | None:
    """What signatures with these terms say besides the documents, for the person to see."""
    if not isinstance(terms, SignatureTerms):
        return None
    policy = None if terms.policy is None else terms.policy.identifier
    return StatementSummary(terms.claimed_role, policy, terms.reason, terms.location)


def _digest(made: Made, scheme: Scheme) -> Digest:
    return Digest(made.hash_name, made.digest, PADDINGS[scheme])
