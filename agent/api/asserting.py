"""SAML assertions that the card makes, whether a route hands them back or the gateway puts them into a message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import msgspec
from aiohttp import web

from agent.access.callers import Ability, Caller
from agent.access.consents import asker_of
from agent.api.callers import require_card_in_reader
from agent.api.context import services
from agent.api.dmp_schemas import InsiBody, VihfBody
from agent.api.dmp_terms import read_insi, read_told, read_vihf
from agent.api.signing import still_granted
from agent.cards.card import Card
from agent.cards.situations import read_with_key
from agent.cards.uses import UnlockedKey, UseRecord, UseRequest
from agent.people.prompt import Action, AssertionSummary
from agent.signing.dmp.bearer import Told, describe_bearer, require_person, require_structure_certificate
from agent.signing.dmp.terms import Coded, Envelope, InsiTerms, Professional, VihfTerms
from agent.signing.dmp.words import Mode
from agent.signing.documents import Document, Signature
from agent.signing.errors import StructureRefusedError
from agent.signing.signing import Settle
from agent.signing.words import Scheme
from agent.signing.workshop import Task
from drivers.errors import NotSupportedError

DMP = "urn:dmp"
Admit = Callable[[Card], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """An assertion that is wanted: what is made, how a question and the journal tell of it, and what the card adds.

    `admits`: raises for a card that will not do; `admits_known`: likewise, for who may know the holder.
    """

    task: Task
    subject: str
    summary: AssertionSummary
    card_number: str | None
    admits: Admit
    admits_known: Admit
    settle: Settle | None = None

    def within(self, message: Document, recipient: str) -> Plan:
        """The same within a message of the caller's, for the service that it goes to."""
        task = replace(self.task, documents=(message,))
        return replace(self, task=task, summary=replace(self.summary, recipient=recipient))


def plan_vihf(body: VihfBody) -> Plan:
    """A VIHF; in direct mode the card tells who asks, and from where. Raises CallError, InsError."""
    terms, told = read_vihf(body), read_told(body)
    is_direct = terms.mode is Mode.DIRECT
    return Plan(
        Task("vihf", terms, hash_name=terms.hash),
        f"VIHF {terms.version}, {terms.mode}",
        _summarise_vihf(terms, told, body),
        body.card_number,
        require_person if is_direct else require_structure_certificate,
        partial(_admit_known, told) if is_direct else require_structure_certificate,
        partial(_tell, terms, told) if is_direct else None,
    )


def plan_insi(body: InsiBody) -> Plan:
    """The assertion that INSi takes of the card's holder."""
    terms = read_insi(body)
    return Plan(
        Task("insi", terms, hash_name=terms.hash),
        "INSi",
        AssertionSummary("INSi", billing_id=terms.billing_id, recipient=_recipient(terms.envelope)),
        body.card_number,
        require_person,
        require_person,
        partial(_name, terms),
    )


async def make_assertion(request: web.Request, caller: Caller, plan: Plan, record: UseRecord) -> Signature:
    """Ask the person, and have the card sign. Raises SigningError, and what SigningDesk.sign raises."""
    require_card_in_reader(caller, plan.card_number)
    served = services(request)
    knows = served.grants.allows(caller, Ability.IDENTITY)
    use = UseRequest(
        asker_of(caller),
        Action.ASSERT,
        record,
        card_number=plan.card_number,
        admits=plan.admits_known if knows else plan.admits,
        assertion=plan.summary,
    )
    try:
        (signature,) = await served.signing.desk.sign(
            use, plan.task, Scheme.RS256, still_granted(request, caller, Ability.SIGN), _settle(plan)
        )
    except StructureRefusedError as error:
        if knows:
            raise
        raise error.without_places() from error
    return signature


def _settle(plan: Plan) -> Settle | None:
    """What the card tells, within the plan's own message."""
    settle = plan.settle
    if settle is None:
        return None

    async def complete(key: UnlockedKey) -> Task:
        return replace(await settle(key), documents=plan.task.documents)

    return complete


def _admit_known(told: Told, card: Card) -> None:
    require_person(card)
    if card.memory.situations is not None:
        describe_bearer(card, card.memory.situations, told)


async def _tell(terms: VihfTerms, told: Told, key: UnlockedKey) -> Task:
    """The task with what the card tells, for which it takes the same code."""
    try:
        situations = await read_with_key(key)
    except NotSupportedError:  # a module that shows no data objects: the certificate may name a structure
        situations = ()
    professional, structure = describe_bearer(key.card, situations, told)
    whole = msgspec.structs.replace(terms, professional=professional, structure=structure)
    return Task("vihf", whole, hash_name=terms.hash)


async def _name(terms: InsiTerms, key: UnlockedKey) -> Task:
    whole = msgspec.structs.replace(terms, name_id=key.card.holder.national_id)
    return Task("insi", whole, hash_name=terms.hash)


def _summarise_vihf(terms: VihfTerms, told: Told, body: VihfBody) -> AssertionSummary:
    service = f"VIHF {terms.version}" if terms.resource == DMP else f"VIHF {terms.version} ({terms.resource})"
    return AssertionSummary(
        service,
        mode=terms.mode,
        professional=None if terms.professional is None else _show_professional(terms.professional),
        structure=told.structure_id,
        patient=None if body.patient is None else body.patient.ins,
        purpose=_show(terms.purpose),
        confidentiality=terms.confidentiality,
        reason=terms.access_reason,
        recipient=_recipient(terms.envelope),
    )


def _show_professional(who: Professional) -> str:
    return ", ".join((f"{who.name} ({who.id})", *map(_show, who.roles)))


def _show(coded: Coded) -> str:
    """The code itself too: what the caller calls it may be anything."""
    return coded.code if coded.display_name is None else f"{coded.display_name} [{coded.code}]"


def _recipient(envelope: Envelope | None) -> str | None:
    return envelope.to or None if envelope is not None else None
