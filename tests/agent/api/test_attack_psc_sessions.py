"""A token of one professional is never given out once the card, the person or the caller is another."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.agent import DeskPresence, Person
from support.oidc_provider import NURSE, SUBJECT_PREFIX, Provider
from support.psc_desk import PscDesk, psc_desk
from support.secret_service import why_no_secret_service
from support.waiting import wait_until

from drivers.virtual.chip import Chip
from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT, Holder
from drivers.virtual.store import open_card

pytestmark = pytest.mark.skipif(bool(why_no_secret_service()), reason=str(why_no_secret_service()))

COLLEAGUE = replace(DEFAULT, serial="99900002", holder=Holder(family_name="SOIGNANT", rpps=NURSE[1:]))
SHORT = {"accessToken": 5}  # less than the leeway: every token that is asked for is refreshed
Readers = VirtualReaders


@pytest.fixture
def provider(issuer: Provider) -> Iterator[Provider]:
    issuer.tell("lifetimes", **SHORT)
    yield issuer
    issuer.restore()


@pytest.fixture(scope="module")
def colleague_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("colleague")
    open_card(folder, COLLEAGUE).close()
    return folder


@pytest.fixture
def colleague(colleague_folder: Path, tmp_path: Path) -> Iterator[Chip]:
    """The card of somebody else."""
    with open_card(Path(shutil.copytree(colleague_folder, tmp_path / "colleague")), COLLEAGUE) as card:
        yield card


@pytest.fixture
def chip(folder: Path) -> Iterator[Chip]:
    with open_card(folder) as card:
        yield card


@pytest.fixture
def readers(chip: Chip) -> Readers:
    return VirtualReaders([chip])


@pytest.fixture
def presence() -> DeskPresence:
    return DeskPresence()


@pytest.fixture
async def desk(
    folder: Path, provider: Provider, readers: Readers, person: Person, presence: DeskPresence
) -> AsyncIterator[PscDesk]:
    async with psc_desk(folder, provider, readers, person, presence=presence) as running:
        yield running


class GatedCard(Chip):
    """A card that takes its time to say whose it is."""

    def __init__(self, card: Chip) -> None:
        self.card = card
        self.atr = card.atr
        self.gate = threading.Event()
        self.power_on, self.power_off, self.reset = card.power_on, card.power_off, card.reset  # type: ignore[method-assign]

    def power_on(self) -> bytes:
        raise NotImplementedError

    power_off = reset = power_on  # type: ignore[assignment]

    def process(self, apdu: bytes) -> bytes:
        self.gate.wait(20)
        return self.card.process(apdu)


async def opened(desk: PscDesk, **how: Any) -> dict[str, Any]:
    answer = await desk.log_in(**how)
    assert answer.status == 200, answer.body
    return dict(answer.body["session"])


async def assert_ended(desk: PscDesk, session: dict[str, Any], reason: str) -> None:
    answer = await desk.token(session)
    assert (answer.body.get("code"), answer.body.get("reason")) == ("psc-session-ended", reason), answer.body
    assert (await desk.agent.program("GET", "/v1/psc/sessions")).body == {"sessions": []}


async def test_the_card_leaves(desk: PscDesk, readers: Readers) -> None:
    session = await opened(desk)
    assert (await desk.token(session)).status == 200
    ended = await desk.hear("psc-session-ended", readers.remove)
    assert (ended["id"], ended["code"], ended["cardNumber"]) == (session["id"], "card-removed", DEFAULT.serial)
    await assert_ended(desk, session, "card-removed")
    entries = (await desk.agent.program("GET", "/v1/journal")).body["entries"]
    noted = next(entry for entry in entries if entry["action"] == "end-psc-session")
    assert (noted["outcome"], noted["subject"]) == ("card-removed", "logiciel: CAMILLE VIRTUEL")


async def test_the_card_is_pulled_and_put_back(desk: PscDesk, readers: Readers, chip: Chip) -> None:
    session = await opened(desk, by="CARD")
    readers.insert(chip)
    await assert_ended(desk, session, "card-removed")


async def test_the_card_is_exchanged_for_a_colleagues(desk: PscDesk, readers: Readers, colleague: Chip) -> None:
    """The incident of May 2026: the next person's card, and the last one's mailbox."""
    session = await opened(desk, by="CARD")
    readers.insert(colleague)
    await assert_ended(desk, session, "card-removed")


async def test_a_colleagues_card_comes_beside_a_login_without_one(
    folder: Path, provider: Provider, colleague: Chip
) -> None:
    readers = VirtualReaders([None])
    async with psc_desk(folder, provider, readers) as desk:
        session = await opened(desk)
        assert session["cardNumber"] is None
        readers.insert(colleague)
        await assert_ended(desk, session, "other-card")


async def test_a_card_that_nobody_knows_yet(folder: Path, provider: Provider, colleague: Chip) -> None:
    """It may be a colleague's: no token leaves before it is known whose it is."""
    readers, slow = VirtualReaders([None]), GatedCard(colleague)
    async with psc_desk(folder, provider, readers) as desk:
        session = await opened(desk)
        readers.insert(slow)
        asked = asyncio.create_task(desk.token(session))
        done, _ = await asyncio.wait({asked}, timeout=0.3)
        assert not done
        slow.gate.set()
        assert (await asked).body["reason"] == "other-card"


async def test_the_persons_own_card_comes_beside_a_login_without_one(
    folder: Path, provider: Provider, chip: Chip
) -> None:
    readers = VirtualReaders([None])
    async with psc_desk(folder, provider, readers) as desk:
        session = await opened(desk)
        readers.insert(chip)
        assert (await desk.token(session)).status == 200


async def test_a_swap_during_the_login(desk: PscDesk, readers: Readers, colleague: Chip) -> None:
    login = await desk.begin()
    readers.insert(colleague)
    await desk.visit(by="MOBILE")
    assert (await login).code == "psc-other-person"
    assert (await desk.agent.program("GET", "/v1/psc/sessions")).body == {"sessions": []}


async def test_the_screen_is_locked_during_the_login(desk: PscDesk, presence: DeskPresence) -> None:
    """Whoever unlocks it may be somebody else, and would find the page open."""
    login = await desk.begin()
    presence.leave()
    assert (await login).code == "psc-login-abandoned"
    with pytest.raises(OSError):
        await desk.visit()  # nobody listens for its end any more


async def test_a_login_of_somebody_else_than_the_card_says(desk: PscDesk, provider: Provider) -> None:
    answer = await desk.log_in(NURSE)
    assert answer.code == "psc-other-person"
    asked = [call["path"] for call in provider.tell("asked")]
    assert asked[-1] == "/token/revocation"  # what nobody will use is not left alive


async def test_a_login_by_card_whose_card_has_gone(desk: PscDesk, readers: Readers) -> None:
    login = await desk.begin()
    readers.remove()
    await desk.visit(by="CARD")
    assert (await login).code == "card-removed"


@pytest.mark.parametrize("swaps", [True, False])
async def test_a_swap_during_a_refresh(
    desk: PscDesk, provider: Provider, readers: Readers, colleague: Chip, swaps: bool
) -> None:
    """What the issuer answers comes too late: it is for somebody who is not here any more."""
    session = await opened(desk)
    provider.change("/token", hang=True)
    asked = asyncio.create_task(desk.token(session))
    await asyncio.to_thread(wait_until, lambda: "/token" in paths(provider), "the refresh")
    if swaps:
        readers.insert(colleague)
    else:
        readers.remove()
    provider.tell("restore")
    assert (await asked).body["reason"] == "card-removed"


def paths(provider: Provider) -> list[str]:
    return [call["path"] for call in provider.tell("asked")]


async def test_the_screen_is_locked_during_a_refresh(desk: PscDesk, provider: Provider, presence: DeskPresence) -> None:
    session = await opened(desk)
    provider.change("/token", hang=True)
    asked = asyncio.create_task(desk.token(session))
    await asyncio.to_thread(wait_until, lambda: "/token" in paths(provider), "the refresh")
    presence.leave()
    provider.tell("restore")
    assert (await asked).body["reason"] == "away"


async def test_the_grant_is_taken_back(desk: PscDesk, person: Person) -> None:
    session = await opened(desk)
    grants = (await desk.agent.program("GET", "/v1/grants")).body["grants"]
    await desk.agent.program("DELETE", f"/v1/grants/{grants[0]['id']}")
    await assert_ended(desk, session, "revoked")
    assert len(person.asked) == 2  # the second time for the token that it asked for


Spoil = Callable[[Provider], object]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda it: it.change("/token", instead={"status": 400, "body": {"error": "invalid_grant"}}), "psc-refused"),
        (lambda it: it.change("/token", idToken={"claims": {"sub": SUBJECT_PREFIX + NURSE}}), "psc-token-refused"),
        (lambda it: it.change("access-token", claims={"acr": "eidas0"}), "psc-acr-too-low"),
    ],
)
async def test_a_refresh_that_gives_something_else(desk: PscDesk, provider: Provider, spoil: Spoil, code: str) -> None:
    session = await opened(desk)
    spoil(provider)
    assert (await desk.token(session)).code == code
    provider.restore()
    await assert_ended(desk, session, "refused")


async def test_an_issuer_that_is_out_of_reach_for_a_moment(desk: PscDesk, provider: Provider) -> None:
    session = await opened(desk)
    provider.change("/token", instead={"status": 503, "body": "later"})
    assert (await desk.token(session)).code == "psc-unreachable"
    provider.restore()
    assert (await desk.token(session)).status == 200


async def test_a_logout_at_an_issuer_that_is_out_of_reach(desk: PscDesk, provider: Provider) -> None:
    """Here it ends at once all the same, and the answer says what was not done."""
    session = await opened(desk)
    provider.change("/token/revocation", instead={"status": 503, "body": "later"})
    answer = await desk.agent.program("DELETE", f"/v1/psc/sessions/{session['id']}")
    assert answer.body == {"id": session["id"], "issuerTold": False}
    await assert_ended(desk, session, "logged-out")
