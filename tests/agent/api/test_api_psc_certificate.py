"""A client that proves who it is with a software certificate: in TLS, or by what its key has signed."""

from __future__ import annotations

import base64
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support.agent import DeskPresence, Person
from support.ciba import answered, heard, ring
from support.oidc_provider import DOCTOR, SECRET, Json, Provider, claims_of, client, oidc_provider
from support.openssl import write_pem
from support.organisations import OrganisationKey
from support.psc_desk import PscDesk, psc_desk, psc_workstation
from support.secret_service import why_no_secret_service
from support.software import keep, store_of

from agent.people.prompt import Action, PinRequest
from agent.services.psc.assertions import certificate_thumbprint, key_thumbprint
from drivers.software.token import open_tokens
from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card

WORDS = "tilleul é€"
SHORT = {"accessToken": 5}
"""Seconds: a token is renewed whenever it is asked for."""

pytestmark = pytest.mark.skipif(bool(why_no_secret_service()), reason=str(why_no_secret_service()))


@dataclass(frozen=True)
class Kept:
    """A data folder that keeps a software certificate under this number, and who has issued it (PEM)."""

    folder: Path
    number: str
    key: OrganisationKey
    authority: Path


@pytest.fixture(scope="module")
def kept(
    made_organisations: Path, organisation_keys: dict[str, OrganisationKey], tmp_path_factory: pytest.TempPathFactory
) -> Kept:
    base = tmp_path_factory.mktemp("kept")
    folder, key = Path(shutil.copytree(made_organisations, base / "data")), organisation_keys["AUTH_CLI"]
    keep(folder, key, WORDS)
    (token,) = open_tokens(store_of(folder))
    write_pem(base / "root.pem", *key.chain_der)
    return Kept(folder, token.number, key, base / "root.pem")


def public_key(key: OrganisationKey) -> Json:
    numbers = key.private.public_key().public_numbers()
    encoded = base64.urlsafe_b64encode(numbers.n.to_bytes(256, "big")).rstrip(b"=").decode()
    return {"kty": "RSA", "n": encoded, "e": "AQAB", "kid": key_thumbprint(key.certificate_der)}


WAYS: dict[str, Callable[[Kept], Json]] = {
    "tls_client_auth": lambda _: {
        "tls_client_auth_subject_dn": "LOGICIEL VIRTUEL",
        "tls_client_certificate_bound_access_tokens": True,
    },
    "private_key_jwt": lambda kept: {"jwks": {"keys": [public_key(kept.key)]}},
    "client_secret_basic": lambda _: {},
}


@pytest.fixture(scope="module")
def providers(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Provider]]:
    """One provider, by the ways in which its clients prove who they are."""
    known = {way: client(f"logiciel-{way}", way, **make(kept)) for way, make in WAYS.items()}
    with (
        psc_workstation(tmp_path_factory.mktemp("workstation")),
        oidc_provider(tmp_path_factory.mktemp("provider"), list(known.values()), SHORT, [kept.authority]) as running,
    ):
        yield {way: replace(running, clients=[one]) for way, one in known.items()}


@pytest.fixture
def person() -> Person:
    return Person(passphrases=[WORDS])


Desk = Callable[..., AbstractAsyncContextManager[PscDesk]]


@pytest.fixture
def desk(kept: Kept, providers: dict[str, Provider], person: Person, tmp_path: Path) -> Desk:
    @asynccontextmanager
    async def open_desk(method: str, changed: Json | None = None, **settings: Any) -> AsyncIterator[PscDesk]:
        folder = Path(shutil.copytree(kept.folder, tmp_path / "data"))
        members = {"authentication": method, "certificate": kept.number} | (changed or {})
        members = {name: value for name, value in members.items() if value is not None}
        provider, card = providers[method], open_card(folder)
        provider.restore()
        provider.change("/backchannel", body={"interval": 1})
        async with psc_desk(
            folder, provider, VirtualReaders([card]), person, client=members, software_keys="passphrase", **settings
        ) as running:
            yield running
        card.close()

    return open_desk


def questions(person: Person) -> list[PinRequest]:
    return [question for question in person.asked if isinstance(question, PinRequest)]


async def test_a_whole_ciba_login_with_the_certificate_in_tls(desk: Desk, kept: Kept, person: Person) -> None:
    async with desk("tls_client_auth", pin_session_minutes=0) as running:  # no code is kept: what is asked is counted
        answer = await answered(running, ring(running))
        session = answer.body["session"]
        assert session["person"]["nationalId"] == DOCTOR
        tokens = {(await running.token(session)).body["accessToken"] for _ in range(3)}
        assert len(tokens) == 3, "each was renewed"
        thumbprints = {claims_of(token)["cnf"]["x5t#S256"] for token in tokens}
        assert thumbprints == {certificate_thumbprint(kept.key.certificate_der)}
        (question,) = questions(person)
        assert (question.action, question.card.number, question.passphrase) == (Action.CONNECT, kept.number, True)
        assert question.subjects[0] == "Pro Santé Connect (essai)"


async def test_a_login_and_its_renewals_take_one_signing_of_statements(desk: Desk, person: Person) -> None:
    async with desk("private_key_jwt") as running:
        session = (await running.log_in()).body["session"]
        tokens = {(await running.token(session)).body["accessToken"] for _ in range(3)}
        assert len(tokens) == 3
        assert len(questions(person)) == 1


async def test_a_secret_in_a_header(desk: Desk, person: Person) -> None:
    async with desk("client_secret_basic") as running:
        session = (await running.log_in()).body["session"]
        answer = (await running.token(session)).body
        assert SECRET not in str(answer)
        assert questions(person) == []


@pytest.mark.parametrize(
    ("method", "changed", "bus", "code"),
    [
        ("tls_client_auth", {"certificate": "S0A1B2C3D4E5F607"}, True, "card-absent"),
        ("private_key_jwt", {"certificate": None}, True, "psc-certificate-unset"),
        ("client_secret_basic", {}, False, "key-store-unavailable"),
    ],
)
async def test_what_a_client_lacks_is_said(
    desk: Desk, method: str, changed: Json, bus: bool, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not bus:
        monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    async with desk(method, changed) as running:
        assert (await ring(running)).code == code


async def test_attack_a_token_that_is_bound_to_another_certificate(desk: Desk) -> None:
    async with desk("tls_client_auth") as running:
        running.provider.change("access-token", claims={"cnf": {"x5t#S256": "x" * 43}})
        answer = await running.log_in()
        assert (answer.code, answer.body["hint"]) == (
            "psc-answer-refused",
            "a token that is bound to another certificate",
        )
        assert (await running.agent.program("GET", "/v1/psc/sessions")).body == {"sessions": []}


async def test_attack_statements_are_gone_once_the_person_has_left(desk: Desk, person: Person) -> None:
    presence = DeskPresence()
    async with desk("private_key_jwt", presence=presence) as running:
        person.on_ask = presence.leave  # what is being signed just then is not kept either
        assert (await running.log_in()).code == "psc-login-abandoned"
        person.on_ask = None
        assert (await running.log_in()).status == 200
        assert len(questions(person)) == 2
        presence.leave()
        assert (await running.log_in()).status == 200
        assert len(questions(person)) == 3


async def test_attack_a_phone_rings_and_the_screen_is_locked(desk: Desk) -> None:
    presence = DeskPresence()
    async with desk("client_secret_basic", presence=presence) as running:
        login = ring(running)
        call = await heard(running, login)
        presence.leave()
        assert (await login).code == "psc-login-abandoned"
        running.provider.tell("answerCall", id=call["id"])
        assert (await running.agent.program("GET", "/v1/psc/sessions")).body == {"sessions": []}
