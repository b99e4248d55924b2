"""What the table of means is made of: remembered cards, software certificates, and the worst state of a card's two."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.organisations import OrganisationKey

from agent.access.database import Database
from agent.cards import seen as module
from agent.cards.card import Card, describe_card
from agent.cards.cards import Cards
from agent.cards.events import EventBus
from agent.cards.means import KnownMeans
from agent.cards.opening import CardOpener
from agent.cards.policy import CardPolicy
from agent.cards.seen import SeenCards
from agent.certificates.means import Bearer, ECpsRecord
from agent.certificates.states import CertificateState, StateName
from drivers.base import Deadline, Token
from drivers.card.family import open_card as open_token
from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


VALID = CertificateState(StateName.VALID)
FindState = Callable[[bytes], CertificateState]


class NoStore:
    """Remembers nothing."""

    def load(self, number):
        return None

    def save(self, profile):
        pass

    def forget(self, number):
        pass


@pytest.fixture
def card(folder: Path) -> Iterator[Card]:
    """The virtual card as the agent reads it."""
    chip = open_card(folder)
    readers = VirtualReaders([chip])
    (state,) = readers.list_states()
    token = open_token(readers.open_slot(state.name), state.atr or b"", NoStore(), Deadline(30))
    yield describe_card(state.name, token, test_token=True)
    readers.stop()
    chip.close()


@pytest.fixture
async def seen(tmp_path: Path) -> AsyncIterator[SeenCards]:
    database = Database(tmp_path / "seen" / "agent.db")
    await database.open()
    yield SeenCards(database)
    await database.close()


@asynccontextmanager
async def known_means(seen: SeenCards, find_state: FindState = lambda _: VALID) -> AsyncIterator[KnownMeans]:
    """With readers that hold nothing."""
    policy = CardPolicy(lambda _: False, lambda _: False)
    cards = Cards([VirtualReaders([])], CardOpener(NoStore(), lambda: None), policy, EventBus())
    cards.start()
    yield KnownMeans(cards, seen, find_state)
    cards.stop()


async def only(known: KnownMeans) -> Bearer:
    (bearer,) = await known.list_all()
    return bearer


async def test_a_card_is_remembered_until_it_is_forgotten(seen: SeenCards, card: Card) -> None:
    await seen.note(card, NOW)
    await seen.note_departure(card.number, NOW + timedelta(hours=3))
    await seen.note_departure("00000000", NOW)
    (one,) = await seen.list()
    assert one.seen_at == NOW + timedelta(hours=3)
    assert one.certificates_der == tuple(key.certificate_der for key in card.token.keys)
    assert await seen.forget() == 1
    assert await seen.list() == ()
    assert await seen.forget() == 0


async def test_attack_readers_that_show_a_new_card_each_time_fill_no_disk(
    seen: SeenCards, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CARDS", 5)

    class Numbered(Token):
        access, generation, label = card.token.access, card.token.generation, None
        keys = card.token.keys

        def __init__(self, number: str) -> None:
            self.number = number

        def sign(self, key, digests, code, deadline):
            raise NotImplementedError

    for number in range(9):
        claimed = Card(card.reader, Numbered(f"{number:08d}"), card.holder, card.expires_at, test_token=False)
        await seen.note(claimed, NOW - timedelta(days=number))  # a clock that runs backwards
    kept = [one.number for one in await seen.list()]
    assert kept == [f"{number:08d}" for number in range(4, 9)]


@pytest.mark.parametrize(
    ("worse", "better"),
    [("revoked", "expired"), ("expired", "unknown"), ("unknown", "expiring"), ("expiring", "valid")],
)
async def test_the_worst_certificate_of_a_card_decides(seen: SeenCards, card: Card, worse: str, better: str) -> None:
    await seen.note(card, NOW)
    first = card.token.keys[0].certificate_der
    for found, other in ((worse, better), (better, worse)):
        states = {
            True: CertificateState(StateName(found), NOW, "r"),
            False: CertificateState(StateName(other), NOW, "r"),
        }
        async with known_means(seen, lambda der, states=states: states[der == first]) as known:
            bearer = await only(known)
        assert (bearer.means[0].state, bearer.means[0].state_reason) == (worse, "r")


async def test_software_certificates_of_a_structure(
    seen: SeenCards, organisation_keys: dict[str, OrganisationKey]
) -> None:
    kept = [organisation_keys[product].certificate_der for product in ("SIGN", "CONF")]

    async def list_software() -> list[bytes]:
        return [*kept, b"nonsense", organisation_keys["SIGN"].chain_der[0]]

    async with known_means(seen) as known:
        known.list_software = list_software
        half = await only(known)
        kept.append(organisation_keys["AUTH_CLI"].certificate_der)
        whole = await only(known)
    assert (half.id, half.name, half.is_person, half.test) == ("1990000001", "CABINET VIRTUEL", False, True)
    assert [(lack.what, lack.errand) for lack in half.missing] == [("AUTH_CLI", "certificate-order")]
    assert (whole.verdict, whole.missing) == ("enough", ())
    assert {means.roles for means in whole.means} == {("AUTH_CLI",), ("SIGN",), ("CONF",)}
    assert len({means.number for means in whole.means}) == 1


async def test_a_page_is_told_of_nobody_who_is_not_here(
    seen: SeenCards, card: Card, organisation_keys: dict[str, OrganisationKey]
) -> None:
    async def list_software() -> list[bytes]:
        return [organisation_keys["SIGN"].certificate_der]

    async def list_e_cps() -> list[ECpsRecord]:
        return [ECpsRecord(card.holder, VALID, NOW)]

    async with known_means(seen) as known:
        known.list_software = list_software
        known.e_cps = list_e_cps
        assert await known.list_present() == ()
        assert [bearer.is_person for bearer in await known.list_all()] == [False, True]
